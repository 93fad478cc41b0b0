// edgegw.js: a client of edgegw for browsers and Node.js, without dependencies.
// It does what docs/PROTOCOL.md section 7 asks of a client: it logs in, connects,
// comes back by itself, resumes where it was, sends again what was not
// acknowledged, and says honestly when something may be missing. It never asks the
// wall clock. README.md has a start in five minutes.

const FIRST_WAIT = 500, MOST_WAIT = 20000, STABLE = 30000, GRACE = 10000, TIMEOUT = 15000;
const STOP = 'stop', LOGIN = 'login', REFRESH = 'refresh', SKIP = 'skip', RECONNECT = 'reconnect';
const RENEW_BEFORE = 30; // seconds that an access token should still be good for

/** What went wrong, by a code of PROTOCOL section 8, or `network`, `protocol`, `closed`. */
export class EdgegwError extends Error {
  constructor(code, message, more = {}) {
    super(message);
    this.name = 'EdgegwError';
    Object.assign(this, { code, status: 0, retryAfterMs: 0 }, more);
  }
}

/** What a client does after a close code (PROTOCOL section 7). */
export function actionFor(code) {
  if (code === 1002 || code === 1007) return STOP;
  if (code === 1009) return SKIP;
  if (code === 4001) return REFRESH;
  if (code === 4501) return LOGIN;
  return code >= 4500 && code <= 4999 ? STOP : RECONNECT;
}

/** The milliseconds that a close reason asks to stay away, 0 if it does not. */
export function retryAfter(reason) {
  return Number(/(?:^| )retry_after_ms=(\d{1,9})(?: |$)/.exec(reason)?.[1] ?? 0);
}

/** The part of the query of /ws that resumes. */
export function resumeQuery({ after, epoch, latest } = {}) {
  const q = new URLSearchParams();
  if (after !== undefined) q.set('after', after);
  if (epoch !== undefined) q.set('epoch', epoch);
  if (latest) q.set('latest', '1');
  return q.toString();
}

export class Client {
  #o; #base; #listeners = new Map(); #rooms = new Map(); #outbox = new Map(); #home;
  #access; #accessEnds = 0; #refresh; #refreshing; #ended;
  #socket; #link; #tries = 0; #timer; #wake; #running = false; #state = { state: 'idle' };
  #prefix; #nextId = 0; #welcomed; #paceUntil = 0;

  constructor(options = {}) {
    this.#o = {
      WebSocket: globalThis.WebSocket, fetch: globalThis.fetch?.bind(globalThis), random: Math.random, maxOutbox: 64,
      now: () => performance.now(), setTimeout: (f, ms) => setTimeout(f, ms), clearTimeout: (t) => clearTimeout(t), ...options,
    };
    this.#base = new URL(options.url ?? globalThis.location?.origin);
    if (!/^https?:$/.test(this.#base.protocol)) throw new TypeError('edgegw: url has to be http://… or https://…');
    if (!this.#o.WebSocket) throw new TypeError('edgegw: no WebSocket here; give one as the option WebSocket');
    this.#refresh = options.refreshToken;
    if (options.accessToken) this.#access = options.accessToken;
    if (options.accessToken) this.#accessEnds = Infinity;
    this.#home = options.room;
    this.#rooms.set(options.room ?? '', { after: options.after, epoch: options.epoch, latest: options.latest });
    this.#prefix = Array.from({ length: 12 }, () => Math.floor(this.#o.random() * 36).toString(36)).join('') + '-';
  }

  get state() { return this.#state; }

  /** Calls fn at every event of a name; returns what ends that. */
  on(event, fn) {
    if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
    this.#listeners.get(event).add(fn);
    return () => this.#listeners.get(event).delete(fn);
  }

  #emit(event, value) { for (const fn of this.#listeners.get(event) ?? []) fn(value); }

  #setState(state) { this.#state = state; this.#emit('state', state); }

  /** The time of the gateway in Unix milliseconds, undefined before the first welcome. */
  serverTime() { return this.#welcomed && Math.round(this.#welcomed.server_time + this.#o.now() - this.#welcomed.at); }

  /** How far the client has come in a room. */
  position(room = this.#home) {
    const r = this.#rooms.get(room ?? '');
    return r?.known ? { seq: r.after, epoch: r.epoch } : undefined;
  }

  // ---- HTTP and tokens

  async #fetch(method, path, body, headers = {}, signal) {
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    let answer;
    try {
      answer = await this.#o.fetch(new URL(path, this.#base), {
        method, headers, body: body === undefined ? undefined : JSON.stringify(body), credentials: this.#o.cookie ? 'same-origin' : 'omit',
        cache: 'no-store', signal: signal ?? AbortSignal.timeout(TIMEOUT),
      });
    } catch (cause) {
      if (signal?.aborted) throw cause;
      throw new EdgegwError('network', 'the gateway does not answer', { cause });
    }
    const json = /json/.test(answer.headers.get('Content-Type') ?? '');
    if (answer.ok) return answer.status === 204 ? undefined : json ? answer.json() : answer;
    const said = json ? await answer.json().catch(() => ({})) : {};
    throw new EdgegwError(said.code ?? 'unavailable', said.detail ?? `the gateway answered ${answer.status}`, {
      status: answer.status, requestId: said.request_id, retryAfterMs: 1000 * (parseInt(answer.headers.get('Retry-After'), 10) || 0),
    });
  }

  #take(pair) {
    this.#access = pair.access_token;
    this.#accessEnds = this.#o.now() + pair.expires_in * 1000;
    this.#ended = undefined;
    if (pair.refresh_token) {
      this.#refresh = pair.refresh_token;
      this.#o.onTokens?.({ refreshToken: pair.refresh_token });
    }
    return pair;
  }

  /** Logs in with a password, or with the options' own credentials. */
  async login(given) {
    const { deviceKey, username, password, cookie } = { ...this.#o, ...given };
    const room = this.#o.room;
    const how = deviceKey ? ['/auth/device', { device_key: deviceKey, room }] : ['/auth/login', { username, password, room, cookie }];
    if (!deviceKey && !username) throw new EdgegwError('invalid_token', 'there is nothing to log in with');
    const pair = this.#take(await this.#fetch('POST', how[0], how[1]));
    this.#emit('login', { how: deviceKey ? 'device' : 'password' });
    return { username: pair.username, role: pair.role };
  }

  /** Takes over the answer of a login that was made elsewhere, such as that of POST /setup. */
  adopt(pair) { this.#take(pair); }

  async logout() {
    try {
      await this.#fetch('POST', '/auth/logout', undefined, this.#access ? { Authorization: `Bearer ${this.#access}` } : {});
    } finally {
      this.#access = this.#refresh = undefined;
      this.close();
    }
  }

  /** An access token that is good for a while; renewed if need be. */
  async token(fresh = false) {
    if (this.#o.getToken) return this.#o.getToken(fresh || this.#accessEnds < 0);
    if (!fresh && this.#access && this.#accessEnds - this.#o.now() > RENEW_BEFORE * 1000) return this.#access;
    const before = this.#access;
    this.#refreshing ??= this.#renew(before, fresh).finally(() => { this.#refreshing = undefined; });
    return this.#refreshing;
  }

  // One refresh at a time is enough, for all tabs of a browser as well: whoever
  // waited for another tab's has the cookie of it.
  async #renew(before, fresh) {
    if (this.#ended) throw this.#ended;
    const alone = (f) => (this.#o.cookie && globalThis.navigator?.locks ? navigator.locks.request('edgegw-refresh', f) : f());
    if (this.#refresh || this.#o.cookie) {
      try {
        this.#take(await alone(() => this.#fetch('POST', '/auth/refresh', this.#refresh ? { refresh_token: this.#refresh } : undefined)));
        this.#emit('login', { how: 'refresh' });
        return this.#access;
      } catch (e) {
        if (e.status !== 401 && e.status !== 400) throw e;
        this.#refresh = undefined;
        if (!this.#canLogIn()) throw this.#loginNeeded(e);
      }
    }
    if (this.#canLogIn()) {
      try {
        await this.login();
      } catch (e) {
        throw e.status === 401 ? this.#loginNeeded(e) : e; // the same again would be refused again
      }
      return this.#access;
    }
    if (before && !fresh) return before; // one that somebody else made: till it ends
    throw this.#loginNeeded(new EdgegwError('invalid_token', 'a login is needed'));
  }

  #canLogIn() { return Boolean(this.#o.getToken || this.#o.deviceKey || (this.#o.username && this.#o.password)); }

  #loginNeeded(e) {
    this.#ended = e;
    this.#access = undefined;
    e.loginNeeded = true;
    this.#emit('login-needed', { reason: e.code });
    return e;
  }

  /** A request with the bearer token; the answer's JSON, or the Response where it is none. */
  async request(method, path, body, { signal } = {}) {
    const token = await this.token();
    try {
      return await this.#fetch(method, path, body, { Authorization: `Bearer ${token}` }, signal);
    } catch (e) {
      if (e.status !== 401) throw e;
      return this.#fetch(method, path, body, { Authorization: `Bearer ${await this.token(true)}` }, signal);
    }
  }

  // ---- the connection

  /** Connects, and stays connected until close() or an end for good. */
  connect() {
    if (this.#running) return;
    this.#running = true;
    // A sleeping tab's timers are late, and a network that is back is worth a try.
    this.#wake = () => { if (this.#timer && this.#state.state === 'waiting' && !this.#state.told) { this.#cancel(); this.#try(); } else this.#look(); };
    globalThis.addEventListener?.('online', this.#wake);
    globalThis.document?.addEventListener?.('visibilitychange', this.#wake);
    this.#try();
  }

  /** Ends the connection; connect() begins another. What was not acknowledged is kept for that. */
  close(code = 1000) {
    if (!this.#running) return;
    this.#stop({ state: 'idle' });
    this.#socket?.close(code);
    this.#drop();
  }

  #stop(state) {
    this.#running = false;
    this.#cancel();
    globalThis.removeEventListener?.('online', this.#wake);
    globalThis.document?.removeEventListener?.('visibilitychange', this.#wake);
    this.#setState(state);
  }

  #cancel() { this.#o.clearTimeout(this.#timer); this.#timer = undefined; }

  async #try() {
    const link = this.#link = { sent: new Set(), asked: new Set(), confirmed: new Set(), timers: new Set(), last: this.#o.now() };
    this.#setState({ state: 'connecting' });
    try {
      link.token = await this.token();
      if (this.#link !== link || !this.#running) return;
      if (this.#o.getToken) this.#accessEnds = 0;
    } catch (e) {
      if (this.#link === link && this.#running) this.#failed(e);
      return;
    }
    const url = new URL('/ws', this.#base);
    url.protocol = this.#base.protocol.replace('http', 'ws');
    url.search = resumeQuery(this.#rooms.get(this.#home ?? '') ?? {});
    if (this.#home) url.searchParams.set('room', this.#home);
    const socket = this.#socket = new this.#o.WebSocket(url.href, ['bearer', link.token]);
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => { if (this.#link === link) this.#frame(link, data); };
    socket.onclose = ({ code, reason }) => { if (this.#link === link) this.#closed(link, code, reason); };
    this.#later(link, TIMEOUT, () => { if (!link.open) this.#lose(link); });
  }

  // A timer that ends with the connection.
  #later(link, ms, f) {
    const timer = this.#o.setTimeout(() => { link.timers.delete(timer); if (this.#link === link) f(); }, ms);
    link.timers.add(timer);
  }

  #drop() {
    for (const t of this.#link?.timers ?? []) this.#o.clearTimeout(t);
    this.#link = this.#socket = undefined;
  }

  // The peer is gone without a word: its close frame may never come.
  #lose(link) {
    const socket = this.#socket;
    this.#closed(link, 1006, '');
    socket?.close();
  }

  async #closed(link, code, reason) {
    this.#drop();
    if (!this.#running) return;
    const action = actionFor(code), told = retryAfter(reason);
    if (link.open && this.#o.now() - link.since > STABLE) this.#tries = 0;
    if (action === SKIP) this.#skipLongest();
    if (action === REFRESH) this.#accessEnds = -1;
    if (action === LOGIN) this.#access = this.#refresh = undefined;
    if (action === STOP) {
      this.#emit('closed', { code, reason, waitMs: -1 });
      return this.#stop({ state: 'stopped', code, reason });
    }
    if (action === LOGIN && !this.#canLogIn()) {
      this.#emit('closed', { code, reason, waitMs: -1 });
      this.#stop({ state: 'stopped', code, reason });
      return this.#loginNeeded(new EdgegwError('invalid_token', 'the session was ended'));
    }
    if (!link.open && code === 1006) return this.#ask(link); // a browser does not see why a handshake failed
    this.#wait(told, code, reason);
  }

  // After a failed handshake: is it the token, a right, or the network?
  async #ask(link) {
    this.#setState({ state: 'connecting' });
    try {
      const me = await this.#fetch('GET', '/auth/me', undefined, { Authorization: `Bearer ${link.token}` });
      if (this.#home && me.role !== 'admin' && Array.isArray(me.grants) && !mayEnter(me.grants, this.#home)) {
        if (this.#running) this.#stop({ state: 'stopped', code: 4503, reason: 'forbidden' });
        return;
      }
      this.#wait(0, 1006, '');
    } catch (e) {
      if (e.status === 401) this.#accessEnds = -1;
      this.#failed(e.status === 401 ? new EdgegwError('network', e.message) : e);
    }
  }

  #failed(e) {
    if (!this.#running) return;
    if (e.loginNeeded || e.status === 400 || e.status === 403) return this.#stop({ state: 'stopped', reason: e.code, error: e });
    const told = e.retryAfterMs ? e.retryAfterMs + this.#o.random() * 1000 : 0;
    this.#wait(told, 0, e.code, e);
  }

  #wait(told, code, reason, error) {
    if (!this.#running) return;
    const most = Math.min(MOST_WAIT, FIRST_WAIT * 2 ** Math.min(this.#tries++, 10));
    const ms = told || Math.max(1, this.#o.random() * most);
    this.#emit('closed', { code, reason, waitMs: Math.round(ms) });
    this.#setState({ state: 'waiting', code, reason, error, told: Boolean(told), retryAt: this.#o.now() + ms });
    this.#timer = this.#o.setTimeout(() => { this.#timer = undefined; this.#try(); }, ms);
  }

  // Scripts do not see pings, so a silent gateway is asked for a pong.
  #look() {
    const link = this.#link;
    if (!link?.open) return;
    const silent = this.#o.now() - link.last;
    if (silent > link.silence + GRACE) return this.#lose(link);
    if (silent > link.silence) this.#send({ type: 'ping' });
  }

  #watch(link) {
    this.#later(link, Math.min(link.silence, GRACE) / 2, () => { this.#look(); if (this.#link === link) this.#watch(link); });
  }

  #send(frame) { if (this.#socket?.readyState === 1) this.#socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame)); }

  #frame(link, text) {
    link.last = this.#o.now();
    if (typeof text !== 'string') return; // of another format
    let f;
    try { f = JSON.parse(text); } catch { f = undefined; }
    if (typeof f !== 'object' || f === null || (!link.open && f.type !== 'welcome')) {
      this.#socket?.close(4000, 'protocol');
      return this.#closed(link, 1006, '');
    }
    FRAMES[f.type]?.(this.#frames, link, f);
  }

  // What each frame does; kinds that are not here are left alone, so that the
  // protocol can grow.
  #frames = {
    welcome: (link, f) => this.#welcome(link, f),
    room: (link, f) => this.#ofRoom(link, f),
    ack: (f) => this.#settle(f.id, (p) => p.resolve({ room: f.room, id: f.id, seq: f.seq, ts: f.ts, durability: f.durability })),
    error: (link, f) => this.#refused(link, f),
    emit: (name, f) => this.#emit(name, f),
    left: (link, f) => {
      if (f.reason !== 'requested') this.#rooms.delete(f.room);
      link.confirmed.delete(f.room);
      this.#emit('unsubscribed', f);
    },
    expiring: (link, f) => this.#expiring(link, f.expires_in),
  };

  #welcome(link, f) {
    if (f.protocol !== 1) return this.#stop({ state: 'stopped', reason: 'protocol' });
    if (this.#home === undefined) { // the default room has a name now
      const r = this.#rooms.get('');
      this.#rooms.delete('');
      this.#home = f.room;
      if (!this.#rooms.has(f.room)) this.#rooms.set(f.room, r);
    }
    Object.assign(link, { open: true, since: this.#o.now(), silence: f.ping_interval * 1000 });
    link.asked.add(this.#home);
    this.#welcomed = { server_time: f.server_time, at: this.#o.now() };
    this.#setState({ state: 'connected', user: f.user, room: f.room });
    this.#emit('welcome', f);
    this.#watch(link);
    for (const room of this.#rooms.keys()) this.#askFor(link, room);
    this.#flush();
  }

  #askFor(link, room) {
    if (link.asked.has(room)) return;
    link.asked.add(room);
    const { after, epoch, latest } = this.#rooms.get(room);
    this.#send({ type: 'subscribe', room, after, epoch, latest: latest || undefined });
  }

  #ofRoom(link, f) {
    const r = this.#rooms.get(f.room);
    if (!r) return;
    if (f.type === 'subscribed') return this.#subscribed(link, r, f);
    if (!link.confirmed.has(f.room)) return;
    if (f.type === 'gap') {
      if (f.to <= r.after) return;
      r.after = f.to;
      return this.#emit('gap', f);
    }
    if (f.seq <= r.after) return; // had
    if (f.seq > r.after + 1 + r.slack) this.#emit('gap', { type: 'gap', room: f.room, from: r.after + 1, to: f.seq - 1, reason: 'missing' });
    r.slack = 0;
    r.after = f.seq;
    this.#emit('message', f);
  }

  #subscribed(link, r, f) {
    if (link.confirmed.has(f.room)) return;
    link.confirmed.add(f.room);
    const had = r.after, sameEpoch = r.epoch === f.epoch;
    Object.assign(r, { known: true, epoch: f.epoch, slack: 0 });
    let lost;
    if (f.recovered === true) { // the position is good in the new epoch, too
      r.after = had;
    } else if (f.recovered === undefined && f.replay !== undefined && had !== undefined) {
      const start = Math.min(Math.max(0, f.seq - f.replay), Math.max(f.from, 1) - 1);
      if (had > f.seq) lost = { from: f.from, to: f.seq };
      else if (had < start) lost = { from: had + 1, to: start };
      r.after = had > f.seq ? f.seq : Math.max(had, start);
    } else {
      r.after = f.seq;
      if (f.recovered === false && had !== undefined) lost = { from: sameEpoch && had <= f.seq ? had + 1 : f.from, to: f.seq };
      if (r.latest && f.seq > 0) Object.assign(r, { after: f.seq - 1, slack: 1 });
    }
    this.#emit('subscribed', f);
    if (lost) this.#emit('lost', { room: f.room, epoch: f.epoch, seq: f.seq, ...lost });
  }

  #expiring(link, seconds) {
    if (link.renewing) return;
    link.renewing = true;
    // Whoever connected together is warned together.
    const renew = (ms, n) => this.#later(link, ms, async () => {
      try {
        const token = await this.token(true);
        if (this.#link === link) this.#send({ type: 'auth', token });
        link.renewing = false;
      } catch (e) {
        if (e.loginNeeded) return; // the rest of its time is still good
        renew(e.retryAfterMs || Math.max(1, this.#o.random() * Math.min(MOST_WAIT, FIRST_WAIT * 2 ** n)), n + 1);
      }
    });
    renew(Math.max(1, this.#o.random() * seconds * 500), 0);
  }

  #refused(link, f) {
    const p = this.#outbox.get(f.id);
    const wait = f.retry_after_ms || 100;
    if (p && (f.retry_after_ms || f.code === 'rate_limited')) {
      link.sent.delete(f.id);
      return this.#later(link, wait, () => this.#flush());
    }
    if (p) return this.#settle(f.id, () => p.reject(new EdgegwError(f.code, f.message)));
    if (f.code === 'rate_limited' && !f.room) { // nobody says which it was
      link.sent.clear();
      for (const room of link.asked) if (!link.confirmed.has(room) && room !== this.#home) link.asked.delete(room);
      this.#paceUntil = this.#o.now() + wait;
      return this.#later(link, wait, () => {
        for (const room of this.#rooms.keys()) this.#askFor(link, room);
        this.#flush();
      });
    }
    if (f.room && link.asked.has(f.room) && !link.confirmed.has(f.room) && !f.retry_after_ms) {
      this.#rooms.delete(f.room);
      this.#emit('unsubscribed', { type: 'unsubscribed', room: f.room, reason: f.code });
    }
    this.#emit('error', f);
  }

  // ---- what an application does

  /** Publishes; resolves when the gateway has acknowledged it. It is sent again, with the same id, until then. */
  publish(data, { room = this.#home, id } = {}) {
    id ??= this.#prefix + (this.#nextId++).toString(36);
    if (new TextEncoder().encode(id).length > 64 || id === '') return Promise.reject(new EdgegwError('invalid_request', 'an id has 1 to 64 bytes'));
    if (this.#outbox.has(id)) return Promise.reject(new EdgegwError('conflict', 'a message with this id is under way'));
    if (this.#outbox.size >= this.#o.maxOutbox) return Promise.reject(new EdgegwError('busy', 'too many messages are under way'));
    const frame = JSON.stringify({ type: 'message', room: room || undefined, id, data });
    return new Promise((resolve, reject) => {
      this.#outbox.set(id, { frame, resolve, reject });
      this.#flush();
    });
  }

  #flush() {
    const link = this.#link;
    if (!link?.open || this.#o.now() < this.#paceUntil) return;
    for (const [id, p] of this.#outbox) {
      if (link.sent.has(id)) continue;
      link.sent.add(id);
      this.#send(p.frame);
    }
  }

  #settle(id, how) {
    const p = this.#outbox.get(id);
    if (!p) return;
    this.#outbox.delete(id);
    this.#link?.sent.delete(id); // a connection may last for years
    how(p);
  }

  #skipLongest() {
    const [id, p] = [...this.#outbox].sort((a, b) => b[1].frame.length - a[1].frame.length)[0] ?? [];
    if (p) this.#settle(id, () => p.reject(new EdgegwError('too_large', 'the gateway takes no message of this length')));
  }

  /** Joins a room as well, and stays in it across reconnects. */
  subscribe(room, { after, epoch, latest } = {}) {
    if (this.#rooms.has(room)) return;
    this.#rooms.set(room, { after, epoch, latest });
    if (this.#link?.open) this.#askFor(this.#link, room);
  }

  unsubscribe(room) {
    if (!this.#rooms.delete(room)) return;
    this.#link?.asked.delete(room);
    this.#link?.confirmed.delete(room);
    this.#send({ type: 'unsubscribe', room });
  }

  /** Tells the room that somebody types here: `start`, renewed every 3 s, or `stop`. */
  typing(state, room) { if (this.#link?.open) this.#send({ type: 'typing', state, room }); }
}

const FRAMES = {
  __proto__: null, // a type may be any word
  welcome: (c, link, f) => c.welcome(link, f),
  subscribed: (c, link, f) => c.room(link, f),
  message: (c, link, f) => c.room(link, f),
  gap: (c, link, f) => c.room(link, f),
  unsubscribed: (c, link, f) => c.left(link, f),
  ack: (c, _, f) => c.ack(f),
  error: (c, link, f) => c.error(link, f),
  typing: (c, _, f) => c.emit('typing', f),
  presence: (c, _, f) => c.emit('presence', f),
  auth_ok: (c, _, f) => c.emit('auth_ok', f),
  token_expiring: (c, link, f) => c.expiring(link, f),
};

// Grants add up; `*` matches any run of characters.
function mayEnter(grants, room) {
  return grants.some(({ room: pattern }) =>
    new RegExp('^' + pattern.split('*').map((s) => s.replace(/[.~\\+?^${}()|[\]]/g, '\\$&')).join('.*') + '$').test(room));
}

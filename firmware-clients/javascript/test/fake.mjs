// A gateway that the test plays, and a clock that it moves.
import { Client } from '../edgegw.js';

export function world(options = {}, answers = {}) {
  const w = { now: 0, timers: [], sockets: [], asked: [], events: [] };
  w.tick = async (ms) => {
    const end = w.now + ms;
    for (;;) {
      await settle();
      const next = w.timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      w.timers.splice(w.timers.indexOf(next), 1);
      w.now = Math.max(w.now, next.at);
      next.f();
    }
    w.now = end;
    await settle();
  };
  class Socket {
    constructor(url, protocols) { Object.assign(this, { url: new URL(url), protocols, readyState: 0, sent: [] }); w.sockets.push(this); }
    send(text) { this.sent.push(JSON.parse(text)); }
    close(code = 1000, reason = '') { this.closedWith = code; if (this.readyState < 3) { this.readyState = 3; this.onclose?.({ code, reason }); } }
    // What the gateway does.
    open(more = {}) {
      this.readyState = 1;
      this.say({ type: 'welcome', protocol: 1, user: 'ann', role: 'member', room: 'lobby', connection: 'c', server_time: 1000, clock: 'synced', expires_in: 900, ping_interval: 25, max_message_bytes: 65536, ...more });
    }
    say(frame) { this.onmessage?.({ data: typeof frame === 'string' ? frame : JSON.stringify(frame) }); }
    end(code, reason = '') { this.readyState = 3; this.onclose?.({ code, reason }); }
  }
  const pair = (n) => ({ access_token: `access-${n}`, token_type: 'Bearer', expires_in: 900, refresh_token: `refresh-${n}`, refresh_expires_in: 9e6, username: 'ann', role: 'member' });
  let n = 0;
  const fetch = async (url, { method, body, headers }) => {
    const path = new URL(url).pathname, asked = { path, method, body: body && JSON.parse(body), headers };
    w.asked.push(asked);
    const given = answers[path]?.(asked, w);
    if (given instanceof Error) throw given;
    const [status, json] = given ?? (path.startsWith('/auth/') && method === 'POST' ? [200, pair(++n)] : [200, {}]);
    return new Response(status === 204 ? null : JSON.stringify(json), { status, headers: { 'Content-Type': 'application/json', ...(json.retry && { 'Retry-After': json.retry }) } });
  };
  w.network = { WebSocket: Socket, fetch };
  w.client = new Client({
    url: 'http://gateway.test', deviceKey: 'key', ...w.network, now: () => w.now, random: () => 0.5,
    setTimeout: (f, ms) => { const t = { f, at: w.now + ms }; w.timers.push(t); return t; }, clearTimeout: (t) => { const i = w.timers.indexOf(t); if (i >= 0) w.timers.splice(i, 1); },
    ...options,
  });
  for (const e of ['subscribed', 'message', 'gap', 'lost', 'closed', 'login', 'login-needed', 'unsubscribed', 'error', 'auth_ok', 'typing', 'presence']) w.client.on(e, (v) => w.events.push([e, v]));
  w.of = (name) => w.events.filter(([e]) => e === name).map(([, v]) => v);
  Object.defineProperty(w, 'socket', { get: () => w.sockets.at(-1) });
  w.connected = async (more) => { w.client.connect(); await settle(); w.socket.open(more); await settle(); return w; };
  return w;
}

// Browsers have no setImmediate, and a setTimeout that waits.
const turn = globalThis.setImmediate ?? ((f) => { const { port1, port2 } = new MessageChannel(); port1.onmessage = () => { port1.close(); f(); }; port2.postMessage(0); });

// Lets every promise that can go on do so.
export const settle = async () => { for (let i = 0; i < 20; i++) await new Promise((f) => { turn(f); }); };

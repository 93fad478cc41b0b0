// What a room's page shows: a window of messages that stays small however fast
// they come, drawn once a frame.
import { Client } from 'edgegw';
import { api, client } from './session.js';

const MOST = 200; // entries that are kept while the page follows
const PAGE = 50;
const BUSY = 50; // messages a second

export class Live {
  entries = []; presence = undefined; typing = new Map(); state = { state: 'connecting' };
  // While the page is paused new messages wait in held, the newest of them.
  older = undefined; paused = false; waiting = 0; held = []; rate = 0; fields = new Map();
  #room; #draw; #client; #asked = false; #timers = new Set(); #seen = 0; #frame;

  constructor(room, draw) {
    this.#room = room;
    this.#draw = draw;
  }

  async start() {
    try {
      await this.#first();
    } catch (error) {
      this.error = error;
      this.#changed();
      return;
    }
    this.#client = new Client({ url: location.origin, room: this.#room, after: this.#after, epoch: this.#epoch, getToken: (fresh) => client.token(fresh) });
    const on = (event, does) => this.#client.on(event, does);
    on('message', (m) => this.#message(m));
    on('gap', (g) => this.#add({ key: `gap-${g.from}-${g.to}`, line: `Messages ${g.from} to ${g.to} were not shown (${g.reason.replaceAll('_', ' ')}).` }));
    on('lost', (l) => this.#add({ key: `lost-${l.epoch}-${l.seq}`, line: 'The gateway cannot promise that nothing is missing here.' }));
    on('presence', () => this.#people());
    on('typing', (t) => this.#types(t));
    on('welcome', () => this.#people());
    on('state', (s) => { this.state = s; this.#changed(); });
    this.#timer(setInterval(() => { this.rate = this.#seen; this.#seen = 0; this.#changed(); }, 1000));
    this.#client.connect();
  }

  #after; #epoch;

  async #first() {
    const page = await api('GET', `${this.#path()}/messages?limit=${PAGE}`);
    this.entries = page.messages.map((m) => this.#entry(m));
    this.older = page.prev;
    this.#epoch = page.epoch;
    this.#after = page.messages.at(-1)?.seq ?? 0;
    this.#changed();
  }

  /** Loads what came before; resolves with how many there were. */
  async back() {
    if (this.older === undefined || this.#asked) return 0;
    this.#asked = true;
    try {
      const page = await api('GET', `${this.#path()}/messages?limit=${PAGE}&before=${this.older}`);
      this.entries = [...page.messages.map((m) => this.#entry(m)), ...this.entries];
      this.older = page.prev;
      this.#changed();
      return page.messages.length;
    } finally {
      this.#asked = false;
    }
  }

  pause(paused) {
    if (this.paused && !paused) {
      // Where held has lost something it is longer than what stays.
      this.entries = [...this.entries, ...this.held];
      this.#trim();
      this.waiting = 0;
      this.held = [];
    }
    this.paused = paused;
    this.#changed();
  }

  publish(data) { return this.#client.publish(data); }
  type(state) { this.#client?.typing(state); }

  stop() {
    this.#client?.close();
    for (const t of this.#timers) clearInterval(t);
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#frame);
    this.#draw = () => {};
  }

  #path() { return `/rooms/${encodeURIComponent(this.#room)}`; }
  #timer(t) { this.#timers.add(t); }

  #message(m) {
    this.#seen++;
    if (m.user) this.typing.delete(m.user);
    this.#add(this.#entry(m));
  }

  #entry(m) {
    const { text, json } = shown(m);
    if (json && typeof m.data === 'object' && m.data) this.#numbers(m);
    return { key: `${m.seq}-${m.ts}`, seq: m.seq, ts: m.ts, user: m.user, text, json };
  }

  // Numbers of telemetry, by the name of their field.
  #numbers(m) {
    for (const [name, value] of Object.entries(m.data)) {
      if (typeof value !== 'number' || (!this.fields.has(name) && this.fields.size >= 12)) continue;
      const points = this.fields.get(name) ?? [];
      points.push([m.ts / 1000, value]);
      if (points.length > 600) points.splice(0, points.length - 600);
      this.fields.set(name, points);
    }
  }

  #add(entry) {
    if (this.paused) {
      this.waiting++;
      this.held.push(entry);
      if (this.held.length > 2 * MOST) this.held.splice(0, MOST);
    } else {
      this.entries.push(entry);
      this.#trim();
    }
    this.#changed();
  }

  #trim() {
    if (this.entries.length <= MOST) return;
    this.entries = this.entries.slice(-MOST);
    this.older = this.entries.find((e) => e.seq)?.seq;
  }

  async #people() {
    try {
      this.presence = await api('GET', `${this.#path()}/presence`);
      this.#changed();
    } catch { /* the next change asks again */ }
  }

  #types({ user, state }) {
    if (state === 'start') this.typing.set(user, Date.now());
    else this.typing.delete(user);
    this.#changed();
  }

  #changed() {
    if (this.#frame) return;
    const draw = () => { this.#frame = requestAnimationFrame(() => { this.#frame = undefined; this.#draw(); }); };
    // Nobody reads more than a few times a second, and drawing is what costs.
    if (this.rate > BUSY || this.#seen > BUSY) this.#frame = setTimeout(draw, 200);
    else draw();
  }
}

const LONG = 4000;

/** A message as text: pretty where it is JSON, never as HTML. */
export function shown(m) {
  if (m.encoding === 'base64') {
    const length = (m.data.length / 4) * 3 - (m.data.match(/=*$/)[0].length);
    return { text: `${length} bytes of binary data: ${m.data.slice(0, 200)}` };
  }
  if (typeof m.data === 'string') return { text: m.data };
  return { text: JSON.stringify(m.data, null, 2), json: true };
}

export const tooLong = (text) => text.length > LONG;
export const cutShort = (text) => text.slice(0, LONG);

/** The whole history as JSON lines, page by page. */
export async function exportRoom(room, progress) {
  const lines = [];
  for (let after = 0; ;) {
    const page = await api('GET', `/rooms/${encodeURIComponent(room)}/messages?limit=1000&after=${after}`);
    for (const m of page.messages) lines.push(JSON.stringify(m), '\n');
    progress(lines.length / 2);
    if (page.next === undefined || page.messages.length === 0) break;
    after = page.next;
  }
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob(lines, { type: 'application/jsonl' }));
  link.download = `${room}.jsonl`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// What testdata/protocol asks of this client, for Node.js and for browsers: cases(file)
// gives the vectors of a file, want(got, wanted, name) compares.
import { actionFor, resumeQuery, retryAfter } from '../edgegw.js';
import { settle, world } from './fake.mjs';

export const known = {
  'client-frames.json': ['frame', 'base64', 'odd', 'command', 'published', 'error'],
  'queries.json': ['odd', 'query', 'resume', 'error'],
  'gateway-frames.json': ['frame', 'members', 'published', 'raw'],
  'errors.json': ['frame', 'members', 'closes_raw'],
  'closes.json': ['base64', 'unsent', 'code', 'reason', 'retry_after_ms', 'client'],
};

// In JSON there is one zero.
const plain = (v) => JSON.parse(JSON.stringify(v));

export const checks = {
  async 'commands are what the gateway reads'(cases, want) {
    let sent = 0;
    for (const c of cases('client-frames.json')) {
      if (c.odd || c.error || !c.command) continue;
      const { type, ...rest } = c.command, w = await world().connected();
      const before = w.socket.sent.length;
      if (type === 'message' && rest.id !== undefined) w.client.publish(rest.data, { id: rest.id, room: rest.room ?? '' }).catch(() => {});
      else if (type === 'typing') w.client.typing(rest.state, rest.room);
      else if (type === 'subscribe') w.client.subscribe(rest.room, { after: rest.after, epoch: rest.epoch, latest: rest.latest });
      else if (type === 'unsubscribe') { w.client.subscribe(rest.room); await settle(); w.client.unsubscribe(rest.room); } else continue; // auth and ping are sent by themselves; a message always has an id
      await settle();
      want(w.socket.sent.at(-1), JSON.parse(c.frame), c.name);
      want(w.socket.sent.length > before, true, c.name);
      w.client.close();
      sent++;
    }
    want(sent >= 8, true, `only ${sent}`);
  },
  async 'queries'(cases, want) {
    for (const c of cases('queries.json')) {
      if (c.odd || c.error) continue;
      want(Object.fromEntries(new URLSearchParams(resumeQuery(c.resume))), Object.fromEntries(new URLSearchParams(c.query)), c.name);
    }
  },
  async 'frames are read as they are meant'(cases, want) {
    for (const c of [...cases('gateway-frames.json'), ...cases('errors.json')]) {
      const w = world();
      w.client.connect();
      await settle();
      w.socket.readyState = 1;
      const got = [], name = c.members.type;
      w.client.on(name, (f) => got.push(f));
      if (name !== 'welcome') w.socket.open();
      const room = c.members.room;
      if (room && room !== 'lobby' && ['message', 'gap', 'subscribed'].includes(name)) w.client.subscribe(room, { latest: false });
      if (room && ['message', 'gap'].includes(name)) w.socket.say({ type: 'subscribed', room, epoch: 'e', seq: (c.members.seq ?? c.members.from) - 1 });
      let receipt;
      if (name === 'ack') w.client.publish(0, { id: c.members.id }).then((r) => { receipt = r; });
      if (c.members.id && name === 'error') w.client.publish(0, { id: c.members.id }).catch((e) => { receipt = e; });
      w.socket.say(c.frame);
      await settle();
      if (name === 'ack') want({ type: 'ack', ...receipt }, c.members, c.name);
      else if (name === 'error' && c.members.id && !c.members.retry_after_ms && c.members.code !== 'rate_limited') want(receipt?.code, c.members.code, c.name);
      else if (['pong', 'token_expiring'].includes(name) || name === 'error') want(w.client.state.state, 'connected', c.name);
      else want(plain(got), [plain(c.members)], c.name);
      w.client.close();
    }
  },
  async 'close codes'(cases, want) {
    for (const c of cases('closes.json')) {
      if (c.client === 'own') continue;
      const code = c.code ?? 1005;
      want(actionFor(code), c.client, c.name);
      want(retryAfter(c.reason ?? ''), c.retry_after_ms ?? 0, c.name);
    }
  },
};

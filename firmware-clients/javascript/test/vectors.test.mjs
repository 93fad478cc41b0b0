// testdata/protocol, as its README.md says that a client replays it.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { actionFor, resumeQuery, retryAfter } from '../edgegw.js';
import { settle, world } from './fake.mjs';

const folder = new URL('../../../testdata/protocol/', import.meta.url);
const known = {
  'client-frames.json': ['frame', 'base64', 'odd', 'command', 'published', 'error'],
  'queries.json': ['odd', 'query', 'resume', 'error'],
  'gateway-frames.json': ['frame', 'members', 'published', 'raw'],
  'errors.json': ['frame', 'members', 'closes_raw'],
  'closes.json': ['base64', 'unsent', 'code', 'reason', 'retry_after_ms', 'client'],
};

// In JSON there is one zero.
const plain = (v) => JSON.parse(JSON.stringify(v));

function cases(file) {
  const list = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
  for (const c of list) for (const member of Object.keys(c)) assert.ok(['name', ...known[file]].includes(member), `${file}: ${c.name}: the member ${member} is not known`);
  assert.ok(list.length > 3);
  return list;
}

test('no file of vectors is unknown', () => {
  const files = readdirSync(folder).filter((f) => f.endsWith('.json') && !f.startsWith('conversation-'));
  assert.deepEqual(files.sort(), Object.keys(known).sort());
});

test('commands are what the gateway reads', async () => {
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
    assert.deepEqual(w.socket.sent.at(-1), JSON.parse(c.frame), c.name);
    assert.ok(w.socket.sent.length > before);
    w.client.close();
    sent++;
  }
  assert.ok(sent >= 8, `only ${sent}`);
});

test('queries', () => {
  for (const c of cases('queries.json')) {
    if (c.odd || c.error) continue;
    assert.deepEqual(Object.fromEntries(new URLSearchParams(resumeQuery(c.resume))), Object.fromEntries(new URLSearchParams(c.query)), c.name);
  }
});

test('frames are read as they are meant', async () => {
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
    if (name === 'ack') assert.deepEqual({ type: 'ack', ...receipt }, c.members, c.name);
    else if (name === 'error' && c.members.id && !c.members.retry_after_ms && c.members.code !== 'rate_limited') assert.equal(receipt?.code, c.members.code, c.name);
    else if (['pong', 'token_expiring'].includes(name) || name === 'error') assert.equal(w.client.state.state, 'connected', c.name);
    else assert.deepEqual(plain(got), [plain(c.members)], c.name);
    w.client.close();
  }
});

test('close codes', () => {
  for (const c of cases('closes.json')) {
    if (c.client === 'own') continue;
    const code = c.code ?? 1005;
    assert.equal(actionFor(code), c.client, c.name);
    assert.equal(retryAfter(c.reason ?? ''), c.retry_after_ms ?? 0, c.name);
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../edgegw.js';
import { settle, world } from './fake.mjs';

const subscribed = (more) => ({ type: 'subscribed', room: 'lobby', epoch: 'e1', seq: 10, ...more });
const message = (seq, more) => ({ type: 'message', room: 'lobby', seq, ts: 1, user: 'bob', data: seq, ...more });

test('it logs in, connects with the token as a subprotocol, and tells the time of the gateway', async () => {
  const w = await world({ room: 'hall' }).connected({ room: 'hall', server_time: 5000 });
  assert.deepEqual(w.asked.map((a) => [a.path, a.body]), [['/auth/device', { device_key: 'key', room: 'hall' }]]);
  assert.deepEqual(w.socket.protocols, ['bearer', 'access-1']);
  assert.equal(w.socket.url.href, 'ws://gateway.test/ws?room=hall');
  assert.equal(w.client.state.state, 'connected');
  await w.tick(250);
  assert.equal(w.client.serverTime(), 5250);
});

test('it resumes where it was, and has every message once', async () => {
  const w = await world().connected();
  w.socket.say(subscribed());
  w.socket.say(message(11));
  w.socket.say(message(11));
  w.socket.say(message(12));
  assert.deepEqual(w.client.position(), { seq: 12, epoch: 'e1' });
  w.socket.end(1006);
  await w.tick(1000);
  assert.equal(w.socket.url.search, '?after=12&epoch=e1&room=lobby');
  w.socket.open();
  w.socket.say(subscribed({ seq: 14, recovered: true, replay: 2, from: 1 }));
  for (const n of [13, 14, 15]) w.socket.say(message(n));
  assert.deepEqual(w.of('message').map((m) => m.seq), [11, 12, 13, 14, 15]);
  assert.deepEqual(w.of('lost'), []);
});

test('it says honestly what may be missing', async () => {
  for (const [name, answer, lost] of [
    ['another epoch', { epoch: 'e2', seq: 20, recovered: false, from: 15 }, { from: 15, to: 20 }],
    ['purged', { seq: 20, recovered: false, from: 15 }, { from: 13, to: 20 }],
    ['nothing', { seq: 12, recovered: true, replay: 0, from: 1 }, undefined],
  ]) {
    const w = await world({ after: 12, epoch: 'e1' }).connected();
    w.socket.say(subscribed(answer));
    const got = w.of('lost')[0];
    assert.deepEqual(got && { from: got.from, to: got.to }, lost, name);
  }
  const w = await world().connected();
  w.socket.say(subscribed());
  w.socket.say({ type: 'gap', room: 'lobby', from: 11, to: 14, reason: 'drop_oldest' });
  w.socket.say(message(15));
  w.socket.say(message(18));
  assert.deepEqual(w.of('gap').map((g) => [g.from, g.to, g.reason]), [[11, 14, 'drop_oldest'], [16, 17, 'missing']]);
});

test('a retained message comes once', async () => {
  const w = await world({ latest: true }).connected();
  assert.equal(w.socket.url.search, '?latest=1');
  w.socket.say(subscribed());
  w.socket.say(message(10));
  w.socket.say(message(11));
  assert.deepEqual(w.of('message').map((m) => m.seq), [10, 11]);
  assert.deepEqual(w.of('gap'), []);
});

test('what is not acknowledged is sent again with the same id', async () => {
  const w = await world().connected();
  let done;
  const sent = w.client.publish({ n: 1 }).then((r) => { done = r; });
  await settle();
  const first = w.socket.sent.at(-1);
  assert.deepEqual([first.type, first.data], ['message', { n: 1 }]);
  w.socket.end(1012, 'restart retry_after_ms=700');
  await w.tick(699);
  assert.equal(w.sockets.length, 1);
  await w.tick(2);
  w.socket.open();
  await settle();
  assert.deepEqual(w.socket.sent.at(-1), first);
  w.socket.say({ type: 'ack', id: first.id, room: 'lobby', seq: 3, ts: 9, durability: 'queued' });
  await sent;
  assert.deepEqual(done, { room: 'lobby', id: first.id, seq: 3, ts: 9, durability: 'queued' });
  w.client.close();
});

test('an id is forgotten with its ack: it is sent again if it is used again', async () => {
  const w = await world().connected();
  for (let i = 1; i <= 2; i++) {
    const sent = w.client.publish(i, { id: 'a' });
    await settle();
    assert.equal(w.socket.sent.filter((f) => f.id === 'a').length, i);
    w.socket.say({ type: 'ack', id: 'a', room: 'lobby', seq: 1, ts: 1, durability: 'queued' });
    await sent;
  }
});

test('a refusal that will not get better rejects; one that will is tried again', async () => {
  const w = await world().connected();
  const refused = assert.rejects(w.client.publish(1, { id: 'a' }), { code: 'forbidden' });
  w.socket.say({ type: 'error', code: 'forbidden', message: 'no', id: 'a' });
  await refused;
  let ok;
  w.client.publish(2, { id: 'b' }).then(() => { ok = true; });
  w.socket.say({ type: 'error', code: 'storage_full', message: 'later', id: 'b', retry_after_ms: 500 });
  const before = w.socket.sent.length;
  await w.tick(499);
  assert.equal(w.socket.sent.length, before);
  await w.tick(2);
  assert.equal(w.socket.sent.at(-1).id, 'b');
  w.socket.say({ type: 'ack', id: 'b', room: 'lobby', seq: 1, ts: 1, durability: 'memory' });
  await settle();
  assert.ok(ok);
  // Too many a second: nobody says which it was.
  w.client.publish(3, { id: 'c' }).catch(() => {});
  w.socket.say({ type: 'error', code: 'rate_limited', message: 'slow', retry_after_ms: 300 });
  await w.tick(301);
  assert.equal(w.socket.sent.filter((f) => f.id === 'c').length, 2);
});

test('bounds: ids, what is under way, what is too long', async () => {
  const w = await world({ maxOutbox: 2 }).connected();
  await assert.rejects(w.client.publish(1, { id: '' }), { code: 'invalid_request' });
  await assert.rejects(w.client.publish(1, { id: '€'.repeat(22) }), { code: 'invalid_request' });
  const long = assert.rejects(w.client.publish('x'.repeat(99999), { id: 'long' }), { code: 'too_large' });
  w.client.publish(1, { id: 'short' }).catch(() => {});
  await assert.rejects(w.client.publish(1, { id: 'third' }), { code: 'busy' });
  await assert.rejects(w.client.publish(1, { id: 'short' }), { code: 'conflict' });
  w.socket.end(1009, 'message_too_large');
  await long;
  await w.tick(1000);
  w.socket.open();
  await settle();
  assert.deepEqual(w.socket.sent.filter((f) => f.type === 'message').map((f) => f.id), ['short']);
});

test('close codes: it refreshes, logs in again, or stops', async () => {
  const w = await world().connected();
  w.socket.end(4001, 'token_expired');
  await w.tick(1000);
  assert.deepEqual(w.asked.map((a) => a.path), ['/auth/device', '/auth/refresh']);
  assert.deepEqual(w.asked[1].body, { refresh_token: 'refresh-1' });
  assert.equal(w.socket.protocols[1], 'access-2');
  w.socket.open();
  w.socket.end(4501, 'session_revoked');
  await w.tick(1000);
  assert.equal(w.asked.at(-1).path, '/auth/device');
  for (const code of [1002, 1007, 4500, 4502, 4503, 4999]) {
    const s = await world().connected();
    s.socket.end(code, 'x');
    await s.tick(60000);
    assert.equal(s.sockets.length, 1, String(code));
    assert.deepEqual([s.client.state.state, s.of('closed')[0].waitMs], ['stopped', -1]);
  }
});

test('waits are random, grow, have a ceiling, and start again after a good time', async () => {
  const waits = [], w = world({ random: () => 0.999 });
  w.client.on('closed', ({ waitMs }) => waits.push(waitMs));
  w.client.connect();
  for (let i = 0; i < 8; i++) {
    await settle();
    w.socket.open();
    w.socket.end(4002, 'slow_consumer');
    await w.tick(waits.at(-1) + 1);
  }
  assert.deepEqual(waits.map((ms) => Math.round(ms / 100) / 10), [0.5, 1, 2, 4, 8, 16, 20, 20]);
  w.socket.open();
  for (let i = 0; i < 4; i++) { await w.tick(9000); w.socket.say({ type: 'pong' }); }
  w.socket.end(1006);
  assert.equal(Math.round(waits.at(-1) / 100), 5);

  const lucky = world({ random: () => 0 });
  lucky.client.on('closed', ({ waitMs }) => assert.ok(waitMs >= 1, `it waits ${waitMs} ms`));
  await lucky.connected();
  lucky.socket.end(4002, 'slow_consumer');
  assert.equal(lucky.of('closed').length, 1);
});

test('the wall clock is never asked', async () => {
  const { now } = Date, given = world(); // for its socket and its answers
  Date.now = () => { throw new Error('it was asked'); };
  try {
    const client = new Client({ url: 'http://gateway.test', deviceKey: 'key', ...given.network });
    client.connect();
    await settle();
    given.socket.open({ server_time: 5000 });
    assert.ok(client.serverTime() >= 5000 && client.serverTime() < 15000);
    given.socket.end(1006);
    assert.equal(client.state.state, 'waiting');
    client.close();
  } finally {
    Date.now = now;
  }
});

test('after a failed handshake it asks why, and does what the answer says', async () => {
  const me = { room: 'lobby', role: 'member', grants: [{ room: '*', rights: 'rw' }] };
  let w = world({}, { '/auth/me': () => [200, me] });
  w.client.connect();
  await settle();
  w.socket.end(1006);
  await w.tick(1000);
  assert.deepEqual([w.asked.at(-1).path, w.sockets.length], ['/auth/me', 2]);
  w = world({}, { '/auth/me': () => [401, { code: 'token_expired', detail: 'old' }] });
  w.client.connect();
  await settle();
  w.socket.end(1006);
  await w.tick(1000);
  assert.deepEqual(w.asked.map((a) => a.path), ['/auth/device', '/auth/me', '/auth/refresh']);
  w = world({ room: 'secret' }, { '/auth/me': () => [200, { ...me, grants: [{ room: 'plant.*', rights: 'r' }] }] });
  w.client.connect();
  await settle();
  w.socket.end(1006);
  await w.tick(60000);
  assert.deepEqual([w.sockets.length, w.client.state.state], [1, 'stopped']);
});

test('it waits as long as the gateway says, whoever says it', async () => {
  let refuse = true;
  const w = world({}, { '/auth/device': () => (refuse ? [503, { code: 'busy', detail: 'later', retry: '3' }] : undefined) });
  w.client.connect();
  await settle();
  refuse = false;
  await w.tick(2999);
  assert.equal(w.sockets.length, 0);
  await w.tick(1001);
  assert.equal(w.sockets.length, 1);
});

test('a lost answer to a refresh is asked for again with the same token', async () => {
  let fail = true;
  const w = await world({}, { '/auth/refresh': () => (fail ? new TypeError('cut') : undefined) }).connected();
  w.socket.end(4001, 'token_expired');
  await w.tick(300);
  fail = false;
  await w.tick(2000);
  const tokens = w.asked.filter((a) => a.path === '/auth/refresh').map((a) => a.body.refresh_token);
  assert.ok(tokens.length >= 2 && tokens.every((t) => t === 'refresh-1'), tokens.join());
});

test('a session that has ended is told, once', async () => {
  const w = await world({ deviceKey: undefined, username: 'ann', password: undefined, refreshToken: 'old' }, { '/auth/refresh': () => [401, { code: 'token_reused', detail: 'somebody has a copy' }] });
  w.client.connect();
  await settle();
  assert.deepEqual(w.of('login-needed'), [{ reason: 'token_reused' }]);
  assert.equal(w.client.state.state, 'stopped');
  await assert.rejects(w.client.token(), { code: 'token_reused' });
  assert.equal(w.asked.length, 1);
});

test('a token is renewed in place, and a failure does not cut the connection', async () => {
  let fail = 2;
  const w = await world({}, { '/auth/refresh': () => (fail-- > 0 ? [503, { code: 'unavailable', detail: 'later' }] : undefined) }).connected();
  w.socket.say({ type: 'token_expiring', expires_in: 60 });
  w.socket.say({ type: 'token_expiring', expires_in: 60 });
  await w.tick(40000);
  assert.deepEqual(w.socket.sent.filter((f) => f.type === 'auth'), [{ type: 'auth', token: 'access-2' }]);
  assert.equal(w.sockets.length, 1);
});

test('a gateway that is silent is gone; one that answers a ping is not', async () => {
  const w = await world().connected({ ping_interval: 10 });
  await w.tick(16000);
  assert.ok(w.socket.sent.some((f) => f.type === 'ping'));
  w.socket.say({ type: 'pong' });
  await w.tick(15000);
  assert.equal(w.sockets.length, 1);
  await w.tick(30000);
  assert.ok(w.sockets.length >= 2);
});

test('a gateway that never answers is given up', async () => {
  const w = world();
  w.client.connect();
  await w.tick(60000);
  assert.ok(w.sockets.length >= 2);
});

test('hostile frames do no harm', async () => {
  for (const bad of ['no JSON', '[]', '7', 'null', '{"type":"message"}', '"x"']) {
    const w = world();
    w.client.connect();
    await settle();
    w.socket.readyState = 1;
    w.socket.say(bad); // before the welcome
    await w.tick(1500);
    assert.ok(w.sockets.length >= 2, bad);
  }
  const w = await world().connected();
  for (const odd of [{ type: '__proto__' }, { type: 'constructor' }, { type: 'news' }, { type: 'ack', id: 'of nobody' }, { type: 'message', room: 'elsewhere', seq: 1 }, message(99), { type: 'unsubscribed', room: 'never' }]) w.socket.say(odd);
  w.socket.say(`{"type":"news","deep":${'['.repeat(1000)}${']'.repeat(1000)}}`);
  w.socket.onmessage({ data: new ArrayBuffer(8) });
  assert.equal(w.client.state.state, 'connected');
  assert.deepEqual(w.of('message'), []);
});

test('rooms: joined on every connection, left, refused, deleted', async () => {
  const w = await world().connected();
  w.client.subscribe('alarms');
  assert.deepEqual(w.socket.sent.at(-1), { type: 'subscribe', room: 'alarms' });
  w.socket.say(subscribed({ room: 'alarms', seq: 5 }));
  w.socket.end(1001, 'going_away');
  await w.tick(1000);
  w.socket.open();
  assert.deepEqual(w.socket.sent.at(-1), { type: 'subscribe', room: 'alarms', after: 5, epoch: 'e1' });
  w.socket.say({ type: 'error', code: 'forbidden', message: 'no', room: 'alarms' });
  assert.deepEqual(w.of('unsubscribed').map((u) => [u.room, u.reason]), [['alarms', 'forbidden']]);
  w.client.subscribe('alarms');
  w.client.unsubscribe('alarms');
  assert.deepEqual(w.socket.sent.at(-1), { type: 'unsubscribe', room: 'alarms' });
});

test('close ends it for good, and connect begins again', async () => {
  const w = await world().connected();
  w.client.close();
  assert.deepEqual([w.socket.closedWith, w.client.state.state], [1000, 'idle']);
  await w.tick(60000);
  assert.equal(w.sockets.length, 1);
  assert.deepEqual(w.timers, []);
  w.client.connect();
  await settle();
  assert.equal(w.sockets.length, 2);
});

test('bad options are refused', () => {
  assert.throws(() => new Client({ url: 'ftp://x', WebSocket: class {} }), /http/);
  assert.throws(() => new Client({ url: 'http://x', WebSocket: null }), /WebSocket/);
});

// The client as a device, against the real binary.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { adminPassword, startMortal } from '../../../e2e/gateway.mjs';
import { Client } from '../edgegw.js';

let gateway, token;
const post = async (path, body) => (await fetch(gateway.url + path, {
  method: 'POST', headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) }, body: JSON.stringify(body),
})).json();
const until = async (what, ms = 45000) => {
  for (const end = Date.now() + ms; !what(); await new Promise((r) => { setTimeout(r, 20); })) assert.ok(Date.now() < end, `waited in vain for ${what}`);
};

before(async () => {
  gateway = await startMortal('--commit-window', '0s', '--device-access-ttl', '8s');
  token = (await post('/auth/login', { username: 'admin', password: adminPassword })).access_token;
});
after(async () => {
  await gateway?.stop();
  gateway?.clean();
});

test('the short snippet works', async () => {
  const ws = new WebSocket(`${gateway.url.replace('http', 'ws')}/ws?room=snippet`, ['bearer', token]);
  ws.onopen = () => ws.send('Hello room!');
  const data = await new Promise((resolve) => { ws.onmessage = (e) => JSON.parse(e.data).type === 'message' && resolve(JSON.parse(e.data).data); });
  assert.equal(data, 'Hello room!');
  ws.close();
});

// Tokens end, the gateway is killed and stopped; afterwards the ledger is the history.
test('nothing is lost and nothing comes twice', async () => {
  const { device_key: deviceKey } = await post('/devices', { name: 'course-1', room: 'course' });
  // What is announced before it is on disk may be taken back by a kill; in this class nothing is.
  await fetch(`${gateway.url}/rooms/course`, { method: 'PUT', headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` }, body: '{"durability":"fsynced"}' });
  const client = new Client({ url: gateway.url, deviceKey, room: 'course', after: 0 });
  const got = [], acked = new Map(), missed = [], ends = [], logins = [];
  client.on('message', (m) => got.push(m));
  client.on('gap', (g) => missed.push(g));
  client.on('lost', (l) => missed.push(l));
  client.on('closed', (c) => ends.push(c.code));
  client.on('login', (l) => logins.push(l.how));
  client.connect();
  let sent = 0;
  const some = async (n) => {
    for (let i = 0; i < n; i++) {
      const id = `m${sent++}`;
      client.publish({ n: id }, { id }).then((r) => acked.set(id, r.seq));
      await new Promise((r) => { setTimeout(r, 10); });
    }
  };
  await some(30);
  const kill = (async () => { await gateway.kill(); await gateway.start(); })();
  await some(20);
  await kill;
  await until(() => acked.size === sent);
  const stop = (async () => { await gateway.stop(); await gateway.start(); })();
  await some(20);
  await stop;
  await until(() => acked.size === sent);
  await until(() => logins.filter((how) => how === 'refresh').length >= 1); // in place, or before a reconnect
  await some(20);
  await until(() => acked.size === sent && got.length >= sent);
  client.close();
  token = (await post('/auth/login', { username: 'admin', password: adminPassword })).access_token;
  const history = (await (await fetch(`${gateway.url}/rooms/course/messages?limit=1000&after=0`, { headers: { Authorization: `Bearer ${token}` } })).json()).messages;
  const seqs = new Map(history.map((m) => [m.id, m.seq]));
  assert.equal(history.length, sent);
  assert.equal(seqs.size, sent);
  for (const [id, seq] of acked) assert.equal(seqs.get(id), seq, id);
  assert.deepEqual(missed, []);
  assert.deepEqual(got.map((m) => [m.seq, m.id]), history.map((m) => [m.seq, m.id]));
  assert.ok(ends.length >= 2, ends.join());
});

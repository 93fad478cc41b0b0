// What users are told to write, in a real browser against the real gateway.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { adminPassword, startGateway } from './gateway.mjs';

const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];
let browser, gateway, stranger, friend;

before(async () => {
  // Two pages of other sites, one of which the gateway knows.
  [stranger, friend] = await Promise.all([otherSite(), otherSite()]);
  gateway = await startGateway('--allowed-origins', friend.origin);
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: flags,
  });
});

after(async () => {
  await browser?.close();
  await gateway?.stop();
  for (const site of [stranger, friend]) {
    site?.server.closeAllConnections();
    site?.server.close();
  }
});

async function otherSite() {
  const server = createServer((_, res) => res.setHeader('Content-Type', 'text/html').end('<title>another site</title>'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}

/** A page at the given origin that has logged in from inside the browser. */
async function loggedIn(origin = gateway.url) {
  const page = await (await browser.newContext()).newPage();
  await page.goto(origin + '/');
  const token = await page.evaluate(login, { url: gateway.url, password: adminPassword });
  return { page, token };
}

async function login({ url, password }) {
  const answer = await fetch(url + '/auth/login', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ username: 'admin', password }),
  });
  return (await answer.json()).access_token;
}

/** Opens a socket in the page, sends what it is given, and gathers frames. */
function converse({ url, token, query = '', send = [], count }) {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(url.replace('http', 'ws') + '/ws' + query, ['bearer', token]);
    const frames = [];
    ws.binaryType = 'arraybuffer';
    ws.onopen = () => send.forEach((data) => ws.send(Array.isArray(data) ? new Uint8Array(data) : data));
    ws.onmessage = async (event) => {
      frames.push(typeof event.data === 'string' ? event.data : [...new Uint8Array(event.data)]);
      if (frames.length === count) { resolve({ frames, protocol: ws.protocol }); ws.close(); }
    };
    ws.onclose = (event) => reject(new Error(`closed with ${event.code} ${event.reason} after ${JSON.stringify(frames)}`));
    setTimeout(() => reject(new Error('too few frames: ' + JSON.stringify(frames))), 10000);
  });
}

test('ok the short snippet works: new WebSocket, onmessage, send("Hello room!")', async () => {
  const { page, token } = await loggedIn();
  const { frames, protocol } = await page.evaluate(converse, { url: gateway.url, token, send: ['Hello room!'], count: 3 });
  const [welcome, subscribed, message] = frames.map((f) => JSON.parse(f));
  assert.equal(protocol, 'bearer');
  assert.equal(welcome.type, 'welcome');
  assert.equal(welcome.user, 'admin');
  assert.equal(subscribed.type, 'subscribed');
  assert.equal(subscribed.room, 'lobby');
  assert.equal(message.type, 'message');
  assert.equal(message.data, 'Hello room!');
  assert.equal(message.seq, subscribed.seq + 1);
});

test('ok two browsers talk, and history has what was said', async () => {
  const [a, b] = [await loggedIn(), await loggedIn()];
  const listening = b.page.evaluate(converse, { url: gateway.url, token: b.token, query: '?room=plant', count: 3 });
  await b.page.waitForTimeout(300);
  const said = '{"type":"message","id":"m1","data":{"temperature":21.50,"unit":"°C"}}';
  const talked = await a.page.evaluate(converse, { url: gateway.url, token: a.token, query: '?room=plant', send: [said], count: 4 });
  const heard = JSON.parse((await listening).frames[2]);
  assert.deepEqual(heard.data, { temperature: 21.5, unit: '°C' });
  const ack = talked.frames.map((f) => JSON.parse(f)).find((f) => f.type === 'ack');
  assert.equal(ack.seq, heard.seq);
  assert.equal(ack.durability, 'queued');

  const history = await a.page.evaluate(async ({ url, token }) => {
    const r = await fetch(url + '/rooms/plant/messages?limit=1', { headers: { Authorization: 'Bearer ' + token } });
    return r.text();
  }, { url: gateway.url, token: a.token });
  assert.ok(history.includes('"data":{"temperature":21.50,"unit":"°C"}'), history); // never re-encoded
});

test('ok the raw format gives back text as text and bytes as bytes', async () => {
  const { page, token } = await loggedIn();
  const { frames } = await page.evaluate(converse,
    { url: gateway.url, token, query: '?room=raw&format=raw', send: ['{"type":"ping"}', [0, 255, 7]], count: 2 });
  assert.deepEqual(frames, ['{"type":"ping"}', [0, 255, 7]]);
});

test('bad token: the handshake fails, and /auth/me tells why', async () => {
  const { page } = await loggedIn();
  await assert.rejects(page.evaluate(converse, { url: gateway.url, token: 'no.such.token', count: 1 }), /closed with 1006/);
  const status = await page.evaluate(async (url) =>
    (await fetch(url + '/auth/me', { headers: { Authorization: 'Bearer no.such.token' } })).status, gateway.url);
  assert.equal(status, 401);
});

test('bad origin: a page of another site gets nowhere, not even with a good token', async () => {
  const { token } = await loggedIn();
  const page = await (await browser.newContext()).newPage();
  await page.goto(stranger.origin + '/');
  await assert.rejects(page.evaluate(login, { url: gateway.url, password: adminPassword }), /Failed to fetch/);
  await assert.rejects(page.evaluate(converse, { url: gateway.url, token, count: 1 }), /closed with 1006/);
});

test('ok a listed origin logs in and talks', async () => {
  const { page, token } = await loggedIn(friend.origin);
  const { frames } = await page.evaluate(converse, { url: gateway.url, token, send: ['from afar'], count: 3 });
  assert.equal(JSON.parse(frames[2]).data, 'from afar');
});

test('ok a stopping gateway says 1012 restart and when to return', async () => {
  const second = await startGateway();
  const page = await (await browser.newContext()).newPage();
  await page.goto(second.url + '/');
  const token = await page.evaluate(login, { url: second.url, password: adminPassword });
  await page.evaluate(({ url, token }) => new Promise((resolve) => {
    const ws = new WebSocket(url.replace('http', 'ws') + '/ws', ['bearer', token]);
    ws.onopen = resolve;
    window.ended = new Promise((tell) => { ws.onclose = (e) => tell({ code: e.code, reason: e.reason, clean: e.wasClean }); });
  }), { url: second.url, token });
  const [code, closed] = await Promise.all([second.stop(), page.evaluate(() => window.ended)]);
  assert.equal(code, 0);
  assert.equal(closed.code, 1012);
  assert.match(closed.reason, /^restart retry_after_ms=\d+$/);
  assert.equal(closed.clean, true);
});

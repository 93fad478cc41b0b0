// The client in a real browser: the vectors, and a session across a kill with the file
// that the gateway itself serves.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { adminPassword, startMortal } from '../../../e2e/gateway.mjs';
import { known } from './vectors.mjs';

const { chromium } = createRequire(new URL('../../../e2e/package.json', import.meta.url))('playwright-core');
const flags = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
let browser;

before(async () => { browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: flags }); });
after(() => browser?.close());

/** A site with the files of the repository that the page needs, and nothing else. */
async function serveFiles() {
  const types = { js: 'text/javascript', mjs: 'text/javascript', json: 'application/json' };
  const allowed = ['/firmware-clients/javascript/edgegw.js', ...['vectors', 'fake'].map((f) => `/firmware-clients/javascript/test/${f}.mjs`), ...Object.keys(known).map((f) => `/testdata/protocol/${f}`)];
  const server = createServer(({ url }, answer) => {
    if (!allowed.includes(url)) return answer.writeHead(url === '/' ? 200 : 404, { 'Content-Type': 'text/html' }).end();
    answer.writeHead(200, { 'Content-Type': types[url.split('.').pop()] }).end(readFileSync(new URL('../../..' + url, import.meta.url)));
  });
  await new Promise((listens) => { server.listen(0, '127.0.0.1', listens); });
  return server;
}

test('Chromium replays the vectors', async () => {
  const server = await serveFiles();
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    const compared = await page.evaluate(async (files) => {
      const { checks } = await import('/firmware-clients/javascript/test/vectors.mjs');
      const vectors = Object.fromEntries(await Promise.all(files.map(async (f) => [f, await (await fetch('/testdata/protocol/' + f)).json()])));
      const sorted = (v) => (typeof v === 'object' && v !== null && !Array.isArray(v) ? Object.fromEntries(Object.keys(v).sort().map((k) => [k, sorted(v[k])])) : Array.isArray(v) ? v.map(sorted) : v);
      const text = (v) => JSON.stringify(sorted(v));
      const n = {};
      for (const [name, check] of Object.entries(checks)) {
        n[name] = 0;
        await check((f) => vectors[f], (got, wanted, why) => {
          n[name]++;
          if (text(got) !== text(wanted)) throw new Error(`${name}: ${why}: ${text(got)}, want ${text(wanted)}`);
        });
      }
      return n;
    }, Object.keys(known));
    assert.ok(Object.keys(compared).length === 4 && Object.values(compared).every((n) => n > 3), JSON.stringify(compared));
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('Chromium is a device, with the file from the gateway', async () => {
  const gateway = await startMortal('--commit-window', '0s');
  try {
    const ask = async (method, path, body, token) => (await fetch(gateway.url + path, {
      method, headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) }, body: body && JSON.stringify(body),
    })).json();
    const admin = async () => (await ask('POST', '/auth/login', { username: 'admin', password: adminPassword })).access_token;
    const { device_key: deviceKey } = await ask('POST', '/devices', { name: 'page', room: 'page' }, await admin());
    await ask('PUT', '/rooms/page', { durability: 'fsynced' }, await admin()); // nothing that was announced is taken back
    const page = await browser.newPage();
    await page.goto(gateway.url + '/clients/');
    await page.evaluate(async (key) => {
      const { Client } = await import('/clients/javascript/edgegw.js');
      const client = new Client({ deviceKey: key, room: 'page', after: 0 });
      const told = globalThis.told = { acked: {}, got: [], missed: [], ends: 0 };
      client.on('message', (m) => told.got.push([m.seq, m.id]));
      for (const name of ['gap', 'lost']) client.on(name, (m) => told.missed.push(m));
      client.on('closed', () => { told.ends++; });
      client.connect();
      globalThis.publish = (n) => { for (let i = 0; i < n; i++) { const id = `p${told.sent = (told.sent ?? 0) + 1}`; client.publish({ id }, { id }).then((r) => { told.acked[id] = r.seq; }); } };
    }, deviceKey);
    const acked = (n) => page.waitForFunction((want) => Object.keys(told.acked).length === want && told.got.length === want, n, { timeout: 45000 });
    await page.evaluate(() => publish(20));
    await acked(20);
    await gateway.kill();
    await page.evaluate(() => publish(20));
    await gateway.start();
    await acked(40);
    const told = await page.evaluate(() => globalThis.told);
    const { messages } = await ask('GET', '/rooms/page/messages?limit=1000&after=0', undefined, await admin());
    assert.deepEqual(told.got, messages.map((m) => [m.seq, m.id]));
    assert.deepEqual(told.acked, Object.fromEntries(messages.map((m) => [m.id, m.seq])));
    assert.deepEqual(told.missed, []);
    assert.ok(told.ends > 0);
  } finally {
    await gateway.stop();
    gateway.clean();
  }
});

// A room of the dashboard, live: what is shown while the gateway, the network and the publishers do what they do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admin, browser, gateway, live, loggedIn, openRoom, visit } from './dashboard.mjs';
import { startMortal } from './gateway.mjs';

test('bad messages are shown as they are', async () => {
  const page = await loggedIn();
  const a = await admin();
  await openRoom(page, 'bad');
  const html = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>';
  await a.publish('bad', html);
  await a.publish('bad', '\u202egnirts desrever\u202c behind');
  await a.publish('bad', 'x'.repeat(60000));
  await a.publish('bad', { '__proto__': { polluted: true }, deep: [[[[1]]]], n: 1e308 });
  await page.evaluate(async ({ url, token }) => {
    const ws = new WebSocket(url.replace('http', 'ws') + '/ws?room=bad', ['bearer', token]);
    await new Promise((resolve) => { ws.onopen = resolve; });
    ws.send(new Uint8Array([0, 255, 1, 2]));
    await new Promise((resolve) => { ws.onmessage = (e) => JSON.parse(e.data).encoding && resolve(); });
    ws.close();
  }, { url: gateway.url, token: a.token });
  await page.locator('.msg').filter({ hasText: '4 bytes of binary data' }).waitFor();
  assert.equal(await page.locator('.msg pre').first().textContent(), html);
  assert.equal(await page.locator('.msg img, .msg script').count(), 0);
  assert.equal(await page.evaluate(() => [window.hacked, {}.polluted].join()), ',');
  const long = page.locator('.msg').filter({ hasText: 'xxxx' });
  assert.equal((await long.locator('pre').textContent()).length, 4000);
  await long.getByRole('button', { name: 'Show all' }).click();
  assert.equal((await long.locator('pre').textContent()).length, 60000);
  assert.deepEqual(page.wrong, []);
  await page.context().close();
});

test('ok history scrolls back without jumping', async () => {
  const a = await admin();
  for (let i = 0; i < 130; i += 10) await Promise.all(Array.from({ length: 10 }, (_, j) => a.publish('long', `line ${i + j}`)));
  const page = await loggedIn();
  await openRoom(page, 'long');
  const log = page.getByRole('log');
  assert.equal(await page.locator('.msg').count(), 50);
  const at = (n) => page.locator('.msg').filter({ hasText: `#${n}` }).first().evaluate((e) => Math.round(e.getBoundingClientRect().top));
  // At the very top a browser by itself keeps nothing in its place.
  const read = await log.evaluate((e) => {
    e.scrollTop = 0;
    return Math.round(document.querySelector('.msg').getBoundingClientRect().top);
  });
  await page.waitForFunction(() => document.querySelectorAll('.msg').length === 100);
  const before = await at(81); // the oldest of the first page
  const line = await page.locator('.line').evaluate((e) => e.getBoundingClientRect().height).catch(() => 0);
  assert.ok(Math.abs(before - read) <= line + 2, `what was read moved from ${read} to ${before}`);
  await a.publish('long', 'one more'); // while somebody reads above
  await page.getByRole('button', { name: 'Go on (1 new)' }).waitFor();
  assert.equal(await at(81), before);
  await page.getByRole('button', { name: /Go on/ }).click();
  await page.locator('.msg').filter({ hasText: 'one more' }).waitFor();
  await page.context().close();
});

test('ok between history and the first live message nothing is missing', async () => {
  const page = await loggedIn();
  const a = await admin();
  await a.put('/rooms/race', { durability: 'memory' }); // acknowledged at once, so many a second
  await a.publish('race', 0);
  for (let round = 0; round < 3; round++) {
    let open = true;
    const writing = Promise.all([1, 2, 3, 4].map(async (n) => { while (open) await a.publish('race', n); }));
    await openRoom(page, 'race');
    await page.waitForTimeout(300);
    open = false;
    await writing;
    const seqs = (await page.locator('.msg header span').allTextContents()).map((s) => Number(s.slice(1)));
    assert.ok(seqs.length > 50, `only ${seqs.length}`);
    assert.deepEqual(seqs, seqs.map((_, i) => seqs[0] + i));
    assert.equal(await page.locator('.line.warn').count(), 0);
    await visit(page, 'Rooms');
  }
  await page.context().close();
});

test('ok a thousand messages a second', async () => {
  const page = await loggedIn();
  const a = await admin();
  await openRoom(page, 'busy');
  const sender = await (await browser.newContext()).newPage();
  await sender.goto(gateway.url + '/health');
  const sent = sender.evaluate(async ({ url, token }) => {
    const ws = new WebSocket(url.replace('http', 'ws') + '/ws?room=busy', ['bearer', token]);
    await new Promise((resolve) => { ws.onopen = resolve; });
    const began = performance.now();
    let n = 0;
    while (performance.now() - began < 4000) {
      while (n < performance.now() - began) ws.send(`{"type":"message","data":{"n":${n++},"temp":${20 + (n % 10)}}}`);
      await new Promise((resolve) => { setTimeout(resolve, 10); });
    }
    ws.close();
    return n;
  }, { url: gateway.url, token: a.token });
  await page.waitForFunction(() => document.querySelectorAll('.msg').length > 100);
  const frames = await page.evaluate(async () => {
    let n = 0;
    for (const began = performance.now(); performance.now() - began < 2000; n++) await new Promise(requestAnimationFrame);
    return n;
  });
  const began = Date.now();
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('button', { name: /Go on/ }).waitFor();
  const paused = Date.now() - began;
  const n = await sent;
  // While it was paused more came than is kept: going on shows the newest, in order.
  await page.getByRole('button', { name: /Go on/ }).click();
  await page.locator('.msg').filter({ hasText: `"n": ${n - 1}` }).waitFor();
  const seqs = (await page.locator('.msg header span').allTextContents()).map((s) => Number(s.slice(1)));
  assert.deepEqual(seqs, seqs.map((_, i) => seqs[0] + i));
  assert.ok(n > 3000, `only ${n} were sent`);
  assert.ok(frames > 10, `${frames} frames in 2 s`);
  assert.ok(paused < 2000, `it paused after ${paused} ms`);
  assert.ok(seqs.length <= 200, `${seqs.length} are shown`);
  console.log(`# ${n} messages in 4 s: ${frames} frames in 2 s, paused after ${paused} ms`);
  await page.context().close();
});

test('ok killed and started again under an open page: it resumes, and nothing is missing', async () => {
  const mortal = await startMortal('--commit-window', '0s');
  try {
    const page = await loggedIn({}, mortal.url);
    await openRoom(page, 'hall');
    const a = await admin(mortal.url);
    for (let i = 1; i <= 3; i++) await a.publish('hall', `before ${i}`); // acknowledged, so on disk
    await page.locator('.msg').filter({ hasText: 'before 3' }).waitFor();
    await mortal.kill();
    await page.getByRole('status').filter({ hasText: 'Connection lost' }).waitFor();
    await mortal.start();
    for (let i = 1; i <= 3; i++) await a.publish('hall', `after ${i}`);
    await page.locator('.msg').filter({ hasText: 'after 3' }).waitFor({ timeout: 45000 });
    const seqs = await page.locator('.msg header span').allTextContents();
    assert.deepEqual(seqs, ['#1', '#2', '#3', '#4', '#5', '#6']);
    assert.deepEqual(page.wrong, []);
    await page.context().close();
  } finally {
    await mortal.stop();
    mortal.clean();
  }
});

test('ok a token that ends is renewed in place', async () => {
  const mortal = await startMortal('--access-ttl', '6s');
  try {
    const page = await loggedIn({}, mortal.url);
    const sockets = [], renewed = [];
    page.on('websocket', (ws) => {
      sockets.push(ws);
      ws.on('framereceived', ({ payload }) => { if (String(payload).startsWith('{"type":"auth_ok"')) renewed.push(ws); });
    });
    await openRoom(page, 'hall');
    const states = await page.evaluate(async () => {
      const seen = new Set();
      for (const began = performance.now(); performance.now() - began < 15000;) {
        seen.add(document.querySelector('.head [role=status]').textContent);
        await new Promise((resolve) => { setTimeout(resolve, 100); });
      }
      return [...seen];
    });
    assert.deepEqual(states, ['Live']);
    assert.equal(sockets.length, 1);
    assert.ok(renewed.length >= 2, `renewed ${renewed.length} times`); // tokens of 6 s, for 15
    await page.getByRole('textbox', { name: 'Message' }).fill('still here');
    await page.getByRole('button', { name: 'Publish' }).click();
    await page.locator('.msg').filter({ hasText: 'still here' }).waitFor();
    await page.context().close();
  } finally {
    await mortal.stop();
    mortal.clean();
  }
});

test('ok a gateway that is not there is said, and found again', async () => {
  const mortal = await startMortal();
  try {
    const page = await loggedIn({}, mortal.url);
    await page.locator('.tiles').waitFor(); // else nothing is known yet that could stay
    await mortal.kill();
    await page.getByRole('alert').filter({ hasText: 'does not answer' }).first().waitFor({ timeout: 15000 });
    assert.ok(await page.locator('.tiles').isVisible(), 'what was known stays');
    await mortal.start();
    await page.getByRole('alert').filter({ hasText: 'does not answer' }).first().waitFor({ state: 'hidden', timeout: 30000 });
    assert.deepEqual(page.wrong, []);
    await page.context().close();
  } finally {
    await mortal.stop();
    mortal.clean();
  }
});

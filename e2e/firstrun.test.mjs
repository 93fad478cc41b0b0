// The first run as its user has it: the code on the gateway's terminal, the page
// on a telephone, the snippets in a shell and in the page's console.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import jsQR from 'jsqr';
import { chromium } from 'playwright-core';
import { startGateway, startUnowned } from './gateway.mjs';

const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const axe = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const password = 'canary-password-first-run';
let browser;

before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: flags,
  });
});
after(() => browser?.close());

/** What a camera sees of the terminal: the text that its QR code has. */
function scan(log) {
  const rows = log.filter((line) => line.includes('\x1b[30;47m'))
    .map((line) => line.replace(/\x1b\[[0-9;]*m/g, '').replace('\r', ''));
  assert.ok(rows.length > 10, log.join('\n'));
  const size = rows[0].length, scale = 4, side = Math.max(size, rows.length * 2) * scale;
  const pixels = new Uint8ClampedArray(side * side * 4).fill(255);
  for (let y = 0; y < rows.length * 2; y++) {
    for (let x = 0; x < size; x++) {
      if (!(y % 2 ? '█▄' : '█▀').includes(rows[y >> 1][x])) continue;
      for (let i = 0; i < scale * scale; i++) {
        const at = ((y * scale + (i / scale | 0)) * side + x * scale + i % scale) * 4;
        pixels.fill(0, at, at + 3);
      }
    }
  }
  return jsQR(pixels, side, side)?.data;
}

/** The code as a person reads it from the terminal. */
const read = (log) => log.join('\n').match(/^ {4}([A-Z0-9]{4}-[A-Z0-9]{4})\r?$/m)[1];

/** A page that fails the test for what it logs as an error, and asks of others. */
async function open(gateway, options = {}) {
  const page = await (await browser.newContext({ viewport: { width: 320, height: 640 }, ...options })).newPage();
  page.wrong = [];
  page.on('pageerror', (e) => page.wrong.push(String(e)));
  page.on('console', (m) => { if (m.type() === 'error' && !/status of [45]\d\d/.test(m.text())) page.wrong.push(m.text()); });
  page.on('request', (r) => { if (!r.url().startsWith(gateway.url + '/')) page.wrong.push('asks for ' + r.url()); });
  return page;
}

/** Nobody is left out: labels, roles, contrast; and nothing is wider than the screen. */
async function wantUsable(page, step) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run({ resultTypes: ['violations'] }));
  assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`), [], step);
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 320, `${step}: ${width} px wide`);
  assert.deepEqual(page.wrong, [], step);
}

for (const colorScheme of ['light', 'dark']) {
  test(`ok from the QR code to the first message (${colorScheme})`, async () => {
    const gateway = await startUnowned();
    try {
      const page = await open(gateway, { colorScheme });
      const link = scan(gateway.log);
      assert.equal(link, `${gateway.url}/setup#code=${read(gateway.log).replace('-', '')}`);
      await page.goto(link);
      await page.getByRole('heading', { name: 'Set up this gateway' }).waitFor();
      assert.equal(page.url(), gateway.url + '/setup'); // the code is out of the address bar
      await page.waitForFunction(() => document.activeElement.id === 'password'); // follows the drawing
      await wantUsable(page, 'owner');

      await page.getByLabel('Your name').fill('Mary');
      await page.getByLabel('A new password', { exact: true }).fill(password);
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'The first device' }).waitFor();
      await page.waitForFunction(() => document.activeElement.textContent === 'The first device');
      assert.equal(await page.locator('strong').textContent(), 'mary');
      await wantUsable(page, 'device');

      await page.getByLabel('Name of the device').fill('pump-1');
      await page.getByRole('button', { name: 'Make a key' }).click();
      await page.getByRole('heading', { name: 'The first message' }).waitFor();
      await wantUsable(page, 'done');
      assert.match(await page.locator('#key').textContent(), /^[A-Za-z0-9_-]{43}$/);

      const said = execFileSync('bash', ['-c', await page.locator('#snippet').textContent()], { encoding: 'utf8' });
      assert.match(said, /"room":"lobby","seq":1/);
      assert.match(said, /"user":"pump-1","data":"Hello room!"/);
      await page.getByRole('button', { name: 'JavaScript' }).click();
      const heard = await page.evaluate(`(async () => {
        ${await page.locator('#snippet').textContent()}
        return await new Promise((resolve, reject) => {
          ws.addEventListener('message', (e) => { if (JSON.parse(e.data).type === 'message') resolve(JSON.parse(e.data)); });
          ws.addEventListener('close', (e) => reject(new Error('closed with ' + e.code)));
        });
      })()`);
      assert.deepEqual([heard.seq, heard.user, heard.data], [2, 'pump-1', 'Hello room!']);
      assert.equal(await page.evaluate(() => document.cookie), ''); // the refresh token is out of reach

      await page.reload();
      await page.getByRole('heading', { name: 'Overview' }).waitFor();
      await page.getByText('Nobody is connected').waitFor();
      await wantUsable(page, 'set up');
    } finally {
      assert.equal(await gateway.stop(), 0);
    }
  });
}

test('bad codes and passwords are told, and the form stays', async () => {
  const gateway = await startUnowned();
  try {
    const page = await open(gateway);
    await page.goto(gateway.url + '/'); // who knows only the address finds it too
    const problem = page.locator('#owner-form [role=alert]'), code = page.getByLabel('Setup code');
    const submit = async (given, secret) => {
      await code.fill(given);
      await page.getByLabel('A new password', { exact: true }).fill(secret);
      await page.getByRole('button', { name: 'Become the owner' }).click();
    };
    await submit('AAAA-AAAA', password);
    await page.getByText('The setup code is wrong').waitFor();
    await wantUsable(page, 'wrong code');
    await submit(read(gateway.log).toLowerCase(), 'short');
    await page.locator('#owner-form [role=alert]').waitFor();
    await page.waitForFunction(() => /15/.test(document.querySelector('#owner-form [role=alert]').textContent));
    for (let i = 0; i < 4; i++) {
      await submit('AAAA-AAAA', password);
      await page.waitForFunction(() => /wrong/.test(document.querySelector('#owner-form [role=alert]').textContent));
    }
    await submit(read(gateway.log), password);
    await page.getByText(/Too many wrong setup codes.* \d+ s/).waitFor();
    assert.equal(await code.inputValue(), read(gateway.log));
    assert.equal(await problem.getAttribute('role'), 'alert');

    await page.getByLabel('Show the password').check();
    assert.equal(await page.getByLabel('A new password', { exact: true }).getAttribute('type'), 'text');
  } finally {
    await gateway.stop();
  }
});

test('bad without JavaScript: the page says what to do instead', async () => {
  const gateway = await startUnowned();
  try {
    const page = await open(gateway, { javaScriptEnabled: false });
    await page.goto(gateway.url + '/setup');
    // The driver's way to switch scripts off leaves noscript unshown.
    assert.match(await page.content(), /<noscript>[^]*sudo edgegw setup[^]*<\/noscript>/);
  } finally {
    await gateway.stop();
  }
});

test('ok with an owner nobody is led to the setup', async () => {
  const gateway = await startGateway();
  try {
    const page = await open(gateway);
    for (const path of ['/', '/setup']) {
      await page.goto(gateway.url + path);
      await page.getByRole('heading', { name: 'Log in' }).waitFor();
    }
  } finally {
    await gateway.stop();
  }
});

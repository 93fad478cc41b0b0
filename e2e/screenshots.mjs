// Makes docs/screenshots: the pages of a small site, at two widths. `make screenshots`
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { adminPassword, startGateway, startUnowned } from './gateway.mjs';

const out = join(import.meta.dirname, '..', 'docs', 'screenshots');
mkdirSync(out, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
});
const sizes = [[1280, 900], [390, 844]];
const shoot = async (page, name) => {
  for (const [width, height] of sizes) {
    await page.setViewportSize({ width, height });
    await page.waitForTimeout(400);
    await page.screenshot({ path: join(out, `${name}-${width}.png`) });
  }
};

const fresh = await startUnowned();
let page = await browser.newPage();
await page.goto(fresh.url);
await page.getByLabel('Setup code').waitFor();
await shoot(page, 'setup');
await fresh.stop();

const gateway = await startGateway('--site', 'greenhouse', '--commit-window', '0s');
const api = async (method, path, token, body) => {
  const answer = await fetch(gateway.url + path, {
    method, headers: { ...(body && { 'Content-Type': 'application/json' }), ...(token && { Authorization: `Bearer ${token}` }) }, body: body && JSON.stringify(body),
  });
  return answer.status === 204 ? {} : answer.json();
};
const { access_token: admin } = await api('POST', '/auth/login', undefined, { username: 'admin', password: adminPassword });
for (const name of ['mary', 'joao', 'li.wei']) await api('POST', '/users', admin, { username: name, password: 'canary-password-screenshots' });
const devices = [];
for (const [name, room] of [['pump-1', 'greenhouse.1'], ['valve-2', 'greenhouse.1'], ['weather', 'roof'], ['door', 'gate']]) {
  const { device_key: key } = await api('POST', '/devices', admin, { name, room });
  if (name === 'door') continue;
  const { access_token: token } = await api('POST', '/auth/device', undefined, { device_key: key });
  devices.push({ room, token });
}
page = await (await browser.newContext({ colorScheme: 'light' })).newPage();
await page.goto(gateway.url);
await page.getByRole('heading', { name: 'Log in' }).waitFor();
await shoot(page, 'login');
await page.getByLabel('Name').fill('admin');
await page.getByLabel('Password').fill(adminPassword);
await page.getByRole('button', { name: 'Log in' }).click();
await page.locator('.tiles').waitFor();
await page.evaluate(({ url, devices }) => {
  devices.forEach(({ room, token }, i) => {
    const ws = new WebSocket(url.replace('http', 'ws') + '/ws?room=' + room, ['bearer', token]);
    let n = 0;
    ws.onopen = () => setInterval(() => ws.send(JSON.stringify({ type: 'message', data: { temp: Math.round(10 * (21 + 3 * Math.sin(n / 9 + i))) / 10, humidity: Math.round(55 + 9 * Math.cos(n++ / 7 + i)) } })), 400 + 300 * i);
  });
}, { url: gateway.url, devices });
await page.waitForTimeout(61000); // the chart has a minute, and the card's wear is known
await shoot(page, 'overview');
const visit = async (hash) => { await page.evaluate((h) => { location.hash = h; }, hash); await page.waitForTimeout(900); };
for (const name of ['rooms', 'devices', 'people', 'audit', 'system', 'account']) {
  await visit(`#/${name}`);
  await shoot(page, name);
}
await visit('#/rooms/greenhouse.1');
await page.locator('.u-wrap').waitFor();
await shoot(page, 'room');
await page.evaluate(() => document.getElementById('numbers').scrollIntoView());
await shoot(page, 'room-chart');
await page.emulateMedia({ colorScheme: 'dark' });
await visit('#/overview');
await page.locator('.tiles').waitFor();
await shoot(page, 'overview-dark');
await browser.close();
await gateway.stop();

// What the tests of the dashboard share: a gateway, a browser, and the first steps on a page.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before } from 'node:test';
import { chromium } from 'playwright-core';
import { adminPassword, startGateway } from './gateway.mjs';

const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const axe = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
export const pages = ['Overview', 'Rooms', 'Devices', 'People', 'Audit', 'System', 'Account'];
export let browser, gateway;

before(async () => {
  gateway = await startGateway('--message-rate', '0', '--login-rate-per-ip', '0', '--login-rate-per-account', '0');
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: flags });
});
after(async () => {
  await browser?.close();
  await gateway?.stop();
});

/** A page that notes what it logs as an error, and what it asks of others. */
export function watched(page, url) {
  page.wrong = [];
  page.on('pageerror', (e) => page.wrong.push(String(e)));
  page.on('console', (m) => { if (m.type() === 'error' && !/status of [45]\d\d|ERR_CONNECTION|WebSocket connection/.test(m.text())) page.wrong.push(m.text()); });
  page.on('request', (r) => { if (!r.url().startsWith(url + '/') && !r.url().startsWith('blob:')) page.wrong.push('asks for ' + r.url()); });
  return page;
}

export async function loggedIn(options = {}, url = gateway.url) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = watched(await context.newPage(), url);
  await page.goto(url + '/');
  await logIn(page);
  return page;
}

export async function logIn(page, password = adminPassword) {
  await page.getByLabel('Name').fill('admin');
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
  if (password === adminPassword) await page.getByRole('heading', { name: 'Overview' }).waitFor();
}

export const visit = (page, name) => page.getByRole('link', { name, exact: true }).click();
export const live = (page) => page.getByRole('status').filter({ hasText: /^Live$/ }).waitFor({ timeout: 45000 });

export async function openRoom(page, room) {
  await page.goto(page.url().split('#')[0] + `#/rooms/${room}`);
  await live(page);
}

/** Requests as an administrator, from outside of the browser. */
export async function admin(url = gateway.url) {
  const post = (path, body, token) => fetch(url + path, {
    method: 'POST', headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) }, body: JSON.stringify(body),
  });
  const token = (await (await post('/auth/login', { username: 'admin', password: adminPassword })).json()).access_token;
  return { token, put: (path, body) => fetch(url + path, { method: 'PUT', headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` }, body: JSON.stringify(body) }),
    publish: async (room, data) => assert.equal((await post(`/rooms/${room}/messages`, { data }, token)).status, 201), post: (path, body) => post(path, body, token) };
}

/** Nobody is left out, and nothing is wider than the screen. */
export async function wantUsable(page, what) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run({ resultTypes: ['violations'] }));
  assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`), [], what);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${what}: ${wide} px too wide`);
  assert.deepEqual(page.wrong, [], what);
}

// The daily jobs of the dashboard: devices, people, keys, backup, settings.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import jsQR from 'jsqr';
import { readFileSync } from 'node:fs';
import { admin, browser, gateway, live, loggedIn, openRoom, visit, wantUsable, watched } from './dashboard.mjs';

test('ok a device from its key to its message, seen live', async () => {
  const page = await loggedIn();
  await visit(page, 'Devices');
  await page.getByRole('button', { name: 'Add a device' }).click();
  await page.getByLabel('Name').fill('Pump 9');
  await page.getByLabel('Room').fill('hall');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('alert').filter({ hasText: /name/i }).waitFor(); // names have no spaces
  await page.getByLabel('Name').fill('pump-9');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  const key = await page.locator('#key').textContent();
  assert.match(key, /^[A-Za-z0-9_-]{43}$/);
  await page.getByRole('button', { name: 'Close' }).click();
  await openRoom(page, 'hall');
  const answer = await (await fetch(gateway.url + '/auth/device', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ device_key: key }) })).json();
  await fetch(`${gateway.url}/rooms/hall/messages`, { method: 'POST', headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${answer.access_token}` }, body: '{"data":"it runs"}' });
  await page.locator('.msg').filter({ hasText: 'pump-9' }).filter({ hasText: 'it runs' }).waitFor();
  await page.getByRole('textbox', { name: 'Message' }).fill('well done');
  await page.getByRole('button', { name: 'Publish' }).click();
  await page.locator('.msg').filter({ hasText: 'admin' }).filter({ hasText: 'well done' }).waitFor();
  await page.waitForFunction(() => document.getElementById('text').value === ''); // once it is acknowledged
  assert.deepEqual(page.wrong, []);
  await page.context().close();
});

test('ok why a device is not there', async () => {
  const a = await admin();
  const { device_key: key } = await (await a.post('/devices', { name: 'late', room: 'hall' })).json();
  const login = async (headers) => (await (await fetch(gateway.url + '/auth/device', {
    method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify({ device_key: key }),
  })).json()).access_token;
  const token = await login({ Date: new Date(Date.now() + 10 * 365 * 86400e3).toUTCString() }); // ten years off
  const page = await loggedIn();
  await page.evaluate(async ({ url, token }) => {
    const open = (room) => new Promise((resolve) => {
      const ws = new WebSocket(`${url.replace('http', 'ws')}/ws?room=${room}`, ['bearer', token]);
      ws.onopen = () => { ws.close(1000); };
      ws.onclose = resolve;
    });
    await open('hall');
    await open('forbidden');
  }, { url: gateway.url, token });
  await visit(page, 'Devices');
  const row = page.getByRole('row').filter({ hasText: 'late' });
  await row.filter({ hasText: 'it left by itself' }).filter({ hasText: 'refused: forbidden' }).filter({ hasText: /its clock is 3\d{3} days ahead/ }).waitFor();
  await page.context().close();
});

test('ok a person comes, forgets the password, and changes it', async () => {
  const page = await loggedIn();
  await visit(page, 'People');
  await page.getByRole('button', { name: 'Add a person' }).click();
  await page.getByLabel('Name').fill('mary');
  await page.getByLabel('Password').fill('short');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('alert').filter({ hasText: '15' }).waitFor();
  await page.getByLabel('Password').fill('canary-password-of-mary');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('row').filter({ hasText: 'mary' }).waitFor();
  await page.getByRole('button', { name: 'Reset code for mary' }).click();
  await page.getByRole('button', { name: 'Make a reset code' }).click();
  const code = await page.getByLabel('Reset code', { exact: true }).textContent();

  const own = watched(await (await browser.newContext()).newPage(), gateway.url);
  await own.goto(gateway.url + '/');
  await own.getByRole('button', { name: 'I have forgotten my password' }).click();
  await own.getByLabel('Code').fill('wrong');
  await own.getByLabel('New password').fill('canary-password-mary-2');
  await own.getByRole('button', { name: 'Set the password' }).click();
  await own.getByRole('alert').filter({ hasText: /code/i }).waitFor();
  await own.getByLabel('Code').fill(code);
  await own.getByRole('button', { name: 'Set the password' }).click();
  await own.getByText('The new password is set').waitFor();
  await own.getByLabel('Name').fill('mary');
  await own.getByLabel('Password').fill('canary-password-mary-2');
  await own.getByRole('button', { name: 'Log in' }).click();
  // A member sees rooms and the own account, and nothing of the others.
  await own.getByRole('heading', { name: 'Rooms', level: 1 }).waitFor();
  assert.deepEqual(await own.getByRole('navigation').getByRole('link').allTextContents(), ['Rooms', 'Account']);
  await visit(own, 'Account');
  await own.getByText('this one').waitFor();
  await own.getByLabel('Password of now').fill('canary-password-wrong');
  await own.getByLabel('New password').fill('canary-password-mary-3');
  await own.getByRole('button', { name: 'Change the password' }).click();
  await own.getByRole('alert').filter({ hasText: /password/i }).waitFor();
  await own.getByLabel('Password of now').fill('canary-password-mary-2');
  await own.getByRole('button', { name: 'Change the password' }).click();
  await own.getByText('The password is changed').waitFor();
  assert.deepEqual(own.wrong, []);

  // Disabled, she is out: her page says so, and asks for a login.
  await page.reload();
  await page.getByRole('button', { name: 'Disable mary' }).click();
  await page.getByRole('row').filter({ hasText: 'mary' }).filter({ hasText: 'disabled' }).waitFor();
  await visit(own, 'Rooms');
  await own.getByRole('heading', { name: 'Log in' }).waitFor({ timeout: 20000 });
  await own.getByText('Your session has ended').waitFor();
  await page.getByRole('button', { name: 'Delete mary' }).click();
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByRole('row').filter({ hasText: 'mary' }).waitFor({ state: 'detached' });
  assert.deepEqual(page.wrong, []);
  await page.context().close();
  await own.context().close();
});

test('ok a key in the place of another, as text and as a QR code', async () => {
  const a = await admin();
  await a.post('/devices', { name: 'swap', room: 'hall' });
  const page = await loggedIn();
  await visit(page, 'Devices');
  await page.getByRole('button', { name: 'New key for swap' }).click();
  await page.getByRole('button', { name: 'Make a new key' }).click();
  const key = await page.locator('#key').textContent();
  const canvas = page.getByRole('img', { name: 'The key as a QR code' });
  await page.waitForFunction(() => document.querySelector('canvas').width > 20);
  const { pixels, width, height } = await canvas.evaluate((c) => {
    // Drawn larger, with a margin, as a camera sees it.
    const big = document.createElement('canvas');
    big.width = big.height = c.width * 6 + 48;
    const draw = big.getContext('2d');
    draw.imageSmoothingEnabled = false;
    draw.fillStyle = '#fff';
    draw.fillRect(0, 0, big.width, big.height);
    draw.drawImage(c, 24, 24, c.width * 6, c.height * 6);
    return { pixels: [...draw.getImageData(0, 0, big.width, big.height).data], width: big.width, height: big.height };
  });
  assert.equal(jsQR(new Uint8ClampedArray(pixels), width, height)?.data, key);
  const answer = await fetch(gateway.url + '/auth/device', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ device_key: key }) });
  assert.equal(answer.status, 200);
  await wantUsable(page, 'the key of a device');
  await page.context().close();
});

test('ok export, backup, settings and the cut of a connection', async () => {
  const a = await admin();
  for (let i = 1; i <= 3; i++) await a.publish('export', { n: i });
  const page = await loggedIn({ acceptDownloads: true });
  await openRoom(page, 'export');
  const [lines] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export' }).click()]);
  assert.equal(lines.suggestedFilename(), 'export.jsonl');
  const exported = readFileSync(await lines.path(), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(exported.map((m) => [m.seq, m.data.n]), [[1, 1], [2, 2], [3, 3]]);

  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel('Messages that are kept').fill('2');
  await page.getByLabel('For how long').fill('soon');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('alert').filter({ hasText: /90s|30d|duration/i }).waitFor();
  await page.getByLabel('For how long').fill('30d');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  const room = await (await fetch(`${gateway.url}/rooms/export`, { headers: { Authorization: `Bearer ${a.token}` } })).json();
  assert.deepEqual([room.max_messages, room.max_age], [2, '720h0m0s']);

  await visit(page, 'System');
  const [backup] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download a backup' }).click()]);
  assert.ok(readFileSync(await backup.path()).length > 10000, 'the backup is empty');
  await page.getByText(/The newest is \d+ s old/).waitFor();
  await page.getByRole('row').filter({ hasText: 'message_rate' }).filter({ hasText: 'flag' }).waitFor();
  assert.equal(await page.getByRole('row').filter({ hasText: 'ping_interval' }).count(), 0); // at its default
  await page.getByLabel('Show those at their default, too').check();
  await page.getByRole('row').filter({ hasText: 'ping_interval' }).waitFor();

  const other = await loggedIn();
  await openRoom(other, 'cut-me');
  await visit(page, 'Overview');
  await page.getByRole('row').filter({ hasText: 'cut-me' }).getByRole('button', { name: /Cut/ }).click();
  await wantUsable(page, 'a question');
  await page.getByRole('dialog').getByRole('button', { name: 'Cut', exact: true }).click();
  await other.getByRole('status').filter({ hasText: /^Live$/ }).waitFor({ state: 'hidden' });
  assert.deepEqual([page.wrong, other.wrong], [[], []]);
  await page.context().close();
  await other.context().close();
});

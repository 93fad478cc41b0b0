// The client as a device on CPython and MicroPython, against the real binary, which
// is killed and stopped meanwhile, and whose tokens end soon. Run by node --test.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { adminPassword, startMortal } from '../../../e2e/gateway.mjs';

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// The ledger of the test takes more than the heap that the Unix port has by itself.
for (const [interpreter, ...flags] of [['python3'], [process.env.MICROPYTHON, '-X', 'heapsize=8m']]) {
  test(`nothing is lost and nothing comes twice (${interpreter.split('/').pop()})`, async () => {
    const gateway = await startMortal('--commit-window', '0s', '--device-access-ttl', '6s');
    try {
      const ask = async (method, path, token, body) => (await fetch(gateway.url + path, {
        method, headers: { ...(body && { 'Content-Type': 'application/json' }), ...(token && { Authorization: `Bearer ${token}` }) }, body: body && JSON.stringify(body),
      })).json();
      const login = async () => (await ask('POST', '/auth/login', undefined, { username: 'admin', password: adminPassword })).access_token;
      const { device_key: key } = await ask('POST', '/devices', await login(), { name: 'course-py', room: 'course' });
      // What is announced before it is on disk may be taken back by a kill; in this class nothing is.
      await ask('PUT', '/rooms/course', await login(), { durability: 'fsynced' });
      const count = 400;
      const running = promisify(execFile)(interpreter, [...flags, 'test/device.py', gateway.url, key, 'course', String(count)], { cwd: new URL('..', import.meta.url), timeout: 60000 });
      running.catch((e) => console.log(e.stdout.slice(-1500)));
      await sleep(2000);
      await gateway.kill();
      await gateway.start();
      await sleep(3000);
      await gateway.stop();
      await gateway.start();
      const { stdout } = await running;
      const ledger = JSON.parse(stdout);
      const { messages } = await ask('GET', '/rooms/course/messages?limit=1000&after=0', await login());
      const seqs = new Map(messages.map((m) => [m.id, m.seq]));
      assert.equal(messages.length, count);
      assert.equal(seqs.size, count);
      assert.equal(Object.keys(ledger.acked).length, count);
      for (const [id, seq] of Object.entries(ledger.acked)) assert.equal(seqs.get(id), seq, id);
      assert.deepEqual(ledger.missed, []);
      assert.deepEqual(ledger.got, messages.map((m) => [m.seq, m.id]));
      assert.ok(ledger.ends.length >= 2 && ledger.logins.includes('refresh'), JSON.stringify([ledger.ends, ledger.logins]));
    } finally {
      await gateway.stop();
      gateway.clean();
    }
  });
}

test('the memory that it takes', async () => {
  const gateway = await startMortal('--commit-window', '0s');
  try {
    const post = async (path, body, token) => (await fetch(gateway.url + path, {
      method: 'POST', headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) }, body: JSON.stringify(body),
    })).json();
    const { access_token: token } = await post('/auth/login', { username: 'admin', password: adminPassword });
    const { device_key: key } = await post('/devices', { name: 'memory', room: 'memory' }, token);
    const { stdout } = await promisify(execFile)(process.env.MICROPYTHON, ['test/memory.py', gateway.url, key], { cwd: new URL('..', import.meta.url), timeout: 60000 });
    assert.match(stdout, /^memory: module \d+ bytes/);
    console.log(stdout.trim());
  } finally {
    await gateway.stop();
    gateway.clean();
  }
});

// As a board without internet does it: mip.install("http://GATEWAY/clients/micropython/").
test('mip installs it from the gateway', async () => {
  const gateway = await startMortal();
  const dir = await mkdtemp(join(tmpdir(), 'edgegw-mip-'));
  try {
    const code = `import mip; mip.install("${gateway.url}/clients/micropython/package.json", target="${dir}")`;
    const { stdout } = await promisify(execFile)(process.env.MICROPYTHON, ['-c', code], { timeout: 60000 });
    assert.equal(await readFile(join(dir, 'edgegw.py'), 'utf8'), await readFile(new URL('../edgegw.py', import.meta.url), 'utf8'), stdout);
  } finally {
    await rm(dir, { recursive: true });
    await gateway.stop();
    gateway.clean();
  }
});

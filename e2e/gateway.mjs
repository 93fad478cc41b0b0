// Starts the real binary for a test and stops it again.
import { spawn } from 'node:child_process';
import { appendFileSync, mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const binary = process.env.EDGEGW_BIN ?? join(import.meta.dirname, '..', 'bin', 'edgegw');
export const adminPassword = 'canary-password-browser-e2e';

/** Starts a gateway on a free port of loopback; resolves when it listens. */
export async function startGateway(...args) {
  const dir = mkdtempSync(join(tmpdir(), 'edgegw-e2e-'));
  const passwordFile = join(dir, 'admin-password');
  writeFileSync(passwordFile, adminPassword + '\n', { mode: 0o600 });
  const child = spawn(binary, [...serve(dir), '--log-format', 'json', '--admin-password-file', passwordFile, ...args],
    { stdio: ['ignore', 'pipe', 'pipe'], env: cleanEnv() });
  return watch(child, dir, (line) => {
    const entry = line.startsWith('{') ? JSON.parse(line) : {};
    return entry.event === 'listening' ? entry.url : undefined;
  }, () => child.kill('SIGTERM'));
}

/** Starts a gateway that can be killed and started again, on the same port and store. */
export async function startMortal(...args) {
  const dir = mkdtempSync(join(tmpdir(), 'edgegw-e2e-'));
  const passwordFile = join(dir, 'admin-password');
  writeFileSync(passwordFile, adminPassword + '\n', { mode: 0o600 });
  const mortal = { kill: undefined, url: undefined };
  mortal.start = async () => {
    const own = serve(dir);
    if (mortal.url) own[own.indexOf('--listen') + 1] = mortal.url.replace('http://', '');
    const child = spawn(binary, [...own, '--log-format', 'json', '--admin-password-file', passwordFile, ...args],
      { stdio: ['ignore', 'pipe', 'pipe'], env: cleanEnv() });
    const gone = new Promise((resolve) => child.on('exit', resolve));
    const running = await watch(child, undefined, (line) => {
      const entry = line.startsWith('{') ? JSON.parse(line) : {};
      return entry.event === 'listening' ? entry.url : undefined;
    }, () => child.kill('SIGTERM'));
    Object.assign(mortal, { url: running.url, stop: running.stop });
    mortal.kill = async () => { child.kill('SIGKILL'); await gone; };
  };
  await mortal.start();
  return Object.assign(mortal, { clean: () => rmSync(dir, { recursive: true, force: true }) });
}

/** Starts a gateway that has no owner yet on a terminal of its own, and waits for its notice. */
export async function startUnowned() {
  const dir = mkdtempSync(join(tmpdir(), 'edgegw-e2e-'));
  // The terminal's hangup ends no gateway, so it has to be signalled itself.
  const command = `stty cols 100 rows 60; echo pid=$$; exec "$0" ${serve(dir).map((a) => `'${a}'`).join(' ')} --log-format text`;
  const child = spawn('script', ['-qefc', `exec sh -c '${command.replaceAll("'", "'\\''")}' '${binary}'`, '/dev/null'],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...cleanEnv(), TERM: 'xterm' } });
  let url, pid;
  return watch(child, dir, (line) => {
    pid = line.match(/^pid=(\d+)/)?.[1] ?? pid;
    url = line.match(/event=listening url=(\S+)/)?.[1] ?? url;
    return line.includes('Without a browser') ? url : undefined;
  }, () => process.kill(Number(pid), 'SIGTERM'));
}

function serve(dir) {
  return ['serve', '--env', 'development', '--log-level', 'debug', '--listen', '127.0.0.1:0', '--data-dir', join(dir, 'data')];
}

/** Resolves when a line of the child's output gives the URL. */
async function watch(child, dir, urlOf, end) {
  const log = [];
  let found;
  const url = new Promise((resolve, reject) => {
    const deadline = setTimeout(() => reject(new Error('the gateway did not start:\n' + log.join('\n'))), 15000);
    found = (u) => { clearTimeout(deadline); resolve(u); };
    child.on('exit', (code) => { clearTimeout(deadline); reject(new Error(`the gateway ended with ${code}:\n` + log.join('\n'))); });
  });
  let rest = '';
  const read = (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      log.push(line);
      const url = urlOf(line);
      if (url) found(url);
    }
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);

  const exited = new Promise((resolve) => child.on('exit', resolve));
  return {
    url: await url,
    log,
    /** Asks the gateway to stop and returns its exit code. */
    async stop() {
      end();
      const code = await exited;
      keepLog(log);
      if (dir) rmSync(dir, { recursive: true, force: true });
      return code;
    },
  };
}

// Variables of the test suite are none of the gateway's options.
function cleanEnv() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('EDGEGW_')));
}

// The suite looks for secrets in every log that a test made.
function keepLog(log) {
  const dir = process.env.EDGEGW_TEST_LOGS;
  if (!dir) return;
  mkdirSync(dir, { recursive: true });
  appendFileSync(join(dir, 'e2e-browser.log'), log.join('\n') + '\n');
}

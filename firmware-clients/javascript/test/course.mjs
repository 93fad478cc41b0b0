// The JavaScript client in the fault course: e2e/course/README.md says what a driver does.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Client } from '../edgegw.js';

const env = (name) => process.env['COURSE_' + name] || undefined;
const tell = (event, members) => process.stdout.write(JSON.stringify({ event, ...members }) + '\n');

if (env('CA')) await trustOnly(readFileSync(env('CA')));
let refreshToken = env('REFRESH');
const client = new Client({
  url: env('URL'), room: env('ROOM'), deviceKey: env('DEVICE_KEY'), username: env('USER'), password: env('PASSWORD'), refreshToken,
  onTokens: (tokens) => { refreshToken = tokens.refreshToken; },
});

/** fetch and WebSocket of Node.js take their connections from one dispatcher, whose class has no other name. */
async function trustOnly(ca) {
  await fetch('data:,'); // makes it
  const dispatcher = Symbol.for('undici.globalDispatcher.1');
  globalThis[dispatcher] = new globalThis[dispatcher].constructor({ connect: { ca } });
}

client.on('login', ({ how }) => tell('login', { refresh_token: refreshToken, how }));
client.on('welcome', ({ room }) => tell('connected', { room }));
for (const name of ['subscribed', 'message', 'gap', 'lost', 'typing']) client.on(name, ({ type, ...members }) => tell(name, members));
client.on('presence', ({ room, user, event, count }) => tell('presence', { room, user, what: event, count }));
client.on('closed', ({ code, reason, waitMs }) => tell('closed', { code, reason, wait_ms: waitMs }));
client.on('state', ({ state, code, reason, error }) => {
  if (state !== 'stopped') return;
  tell('stopped', { code: code ?? error?.status ?? 0, reason });
  process.exit(3);
});

// What the client has no place for waits here.
const waiting = [];
let underWay = 0;
function publish() {
  while (waiting.length && underWay < 64) {
    const { id, data } = waiting.shift();
    underWay++;
    client.publish(data, { id }).then(({ seq }) => tell('ack', { id, seq }), ({ code }) => tell('failed', { id, code }))
      .finally(() => { underWay--; publish(); });
  }
}

const commands = {
  publish(command) { waiting.push(command); publish(); },
  subscribe: ({ room }) => client.subscribe(room),
  typing: ({ state }) => client.typing(state),
  time: () => tell('time', { unix_ms: client.serverTime() ?? null }),
  stop: () => lines.close(),
};
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  try {
    commands[JSON.parse(line).do](JSON.parse(line));
  } catch (e) {
    process.stderr.write(`${line}: ${e.message}\n`);
    process.exit(2);
  }
});
lines.on('close', () => {
  client.close();
  setTimeout(() => process.exit(0), 500); // connections that fetch keeps would wait for more
});
client.connect();

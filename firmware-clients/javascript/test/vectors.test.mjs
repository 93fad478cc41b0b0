// testdata/protocol, as its README.md says that a client replays it.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { checks, known } from './vectors.mjs';

const folder = new URL('../../../testdata/protocol/', import.meta.url);

function cases(file) {
  const list = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
  for (const c of list) for (const member of Object.keys(c)) assert.ok(['name', ...known[file]].includes(member), `${file}: ${c.name}: the member ${member} is not known`);
  assert.ok(list.length > 3);
  return list;
}

test('no file of vectors is unknown', () => {
  const files = readdirSync(folder).filter((f) => f.endsWith('.json') && !f.startsWith('conversation-'));
  assert.deepEqual(files.sort(), Object.keys(known).sort());
});

for (const [name, check] of Object.entries(checks)) test(name, () => check(cases, assert.deepEqual));

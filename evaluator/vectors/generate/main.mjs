// Writes the vectors into a folder: node main.mjs FOLDER. The same bytes every time.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clauses } from './clauses.mjs';
import { flags } from './flags.mjs';
import { hashing } from './hashing.mjs';
import { text } from './text.mjs';

const folder = process.argv[2];
if (folder === undefined) {
  console.error('usage: node main.mjs FOLDER');
  process.exit(2);
}

// A case a line, so that a change shows as what it is.
const lines = (name, cases) => `"${name}":[\n${cases.map(text).join(',\n')}\n]`;

function write(name, lists) {
  for (const [list, cases] of Object.entries(lists)) {
    const names = cases.map((c) => c.name);
    const twice = names.find((n, i) => names.indexOf(n) !== i);
    if (twice !== undefined) throw new Error(`${name}: two ${list} are called "${twice}"`);
  }
  const body = Object.entries(lists).map(([list, cases]) => lines(list, cases));
  writeFileSync(join(folder, name), `{"format":1,\n${body.join(',\n')}\n}\n`);
}

write('hashing.json', hashing());
write('clauses.json', { cases: clauses() });
write('flags.json', { cases: flags() });

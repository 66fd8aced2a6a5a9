// Records what the installed QEMU says to each command line of test/golden/qemu/refusals.json, into that file.
// Usage: node tools/qemu-refusals.mjs [FILE WITH MORE COMMAND LINES, ONE A LINE]

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const golden = join(dirname(fileURLToPath(import.meta.url)), '../test/golden/qemu/refusals.json');
const surroundings = ['-nodefaults', '-display', 'none', '-S', '-monitor', 'stdio'];

/** The paused machine is told to quit at once: what is left on stderr is what QEMU thinks of its options. */
function ask(options) {
  const argv = options.match(/'[^']*'|\S+/g)?.map((word) => word.replaceAll("'", '')) ?? [];
  const { stderr, error } = spawnSync('qemu-system-x86_64', [...surroundings, ...argv], {
    input: 'quit\n',
    encoding: 'utf8',
    timeout: 30_000,
  });
  if (error) throw error;
  return stderr.replaceAll(/^qemu-system-x86_64: /gm, '').trimEnd();
}

const more = process.argv[2] === undefined ? [] : readFileSync(process.argv[2], 'utf8').split('\n');
const known = JSON.parse(readFileSync(golden, 'utf8'));
const lines = new Set([...known.map((row) => row.options), ...more.map((line) => line.trim()).filter(Boolean)]);
const rows = [...lines].map((options) => ({ options, stderr: ask(options) }));
writeFileSync(golden, `[\n${rows.map((row) => `  ${JSON.stringify(row)}`).join(',\n')}\n]\n`);

// Records what a real kernel says to each case of test/support/firmware_cases.ts, into test/golden/firmware/log.json.
// Usage: node tools/record-firmware.mjs VMLINUZ [CASE NAME...]
//
// Needs qemu-system-x86_64 and takes a few seconds a case. The case's bytes are loaded at FIRMWARE, and the kernel is
// told where on its command line: so the machine's own firmware stays what it is, but is not asked for tables.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const golden = join(root, 'test/golden/firmware/log.json');
const [kernel, ...wanted] = process.argv.slice(2);
if (kernel === undefined) {
  console.error('usage: node tools/record-firmware.mjs VMLINUZ [CASE NAME...]');
  process.exit(2);
}

const work = mkdtempSync(join(tmpdir(), 'record-firmware-'));
await build({
  stdin: {
    contents: `export { allCases } from './test/support/firmware_cases.ts'; export { FIRMWARE } from './test/support/acpi.ts';`,
    resolveDir: root,
  },
  bundle: true,
  platform: 'node',
  format: 'esm',
  outfile: join(work, 'cases.mjs'),
  logLevel: 'error',
});
const { allCases, FIRMWARE } = await import(join(work, 'cases.mjs'));

/** Boots until the CPUs are counted, or the kernel panics. */
function bootLog(bytes, numa, verify) {
  const blob = join(work, 'firmware.bin');
  writeFileSync(blob, bytes);
  const at = `0x${FIRMWARE.toString(16)}`;
  const append = ['console=ttyS0', 'earlyprintk=ttyS0', 'ignore_loglevel', 'nokaslr', `acpi_rsdp=${at}`];
  append.push(`memmap=2M$${at}`);
  if (numa !== undefined) append.push(`numa=${numa}`);
  if (verify) append.push('acpi_force_table_verification');
  const machine = ['-M', 'pc', '-m', '2G', '-smp', '1', '-nodefaults', '-display', 'none', '-serial', 'stdio'];
  const loader = ['-device', `loader,file=${blob},addr=${at},force-raw=on`];
  return new Promise((resolve) => {
    let log = '';
    const qemu = spawn('qemu-system-x86_64', [
      ...machine,
      ...loader,
      '-no-reboot',
      '-kernel',
      kernel,
      '-append',
      append.join(' '),
    ]);
    const timer = setTimeout(() => qemu.kill(), 60_000);
    qemu.stdout.on('data', (data) => {
      log += data.toString('latin1');
      if (/smpboot: Allowing .*\n|end Kernel panic/.test(log)) qemu.kill();
    });
    qemu.on('close', () => {
      clearTimeout(timer);
      resolve(
        log
          .replaceAll('\r', '')
          .split('\n')
          .map((line) => line.replace(/^\[ *[\d.]+\] /, '')),
      );
    });
  });
}

const recording = JSON.parse(readFileSync(golden, 'utf8'));
const about = new RegExp(recording.about);
for (const { name, firmware, numa, verify } of allCases) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const bytes = Buffer.alloc(0x200000);
  for (const [address, part] of firmware) bytes.set(part, address - FIRMWARE);
  const log = await bootLog(bytes, numa, verify);
  const end = log.findIndex((line) => line.startsWith('smpboot: Allowing'));
  const lines = log.slice(0, end < 0 ? undefined : end + 1).filter((line) => about.test(line));
  // What Linux says when it warns has the offset within the function, and the machine has a table that ours has not.
  const said = lines.map((line) => line.replace(/^(WARNING: .* \w+)\+0x.*$/, '$1').trimEnd());
  recording.cases[name] = { mp_table: log.some((line) => line.startsWith('MPTABLE:')), lines: said };
  console.log(`${name}: ${said.length} lines`);
}
writeFileSync(golden, `${JSON.stringify(recording, null, 1)}\n`);
rmSync(work, { recursive: true });

// Records what the firmware of a QEMU guest reports to each command line of test/golden/qemu/firmware.json, into that
// file: e820 map, INT 15h 88h and E801h, address of the RSDP and all ACPI tables but the DSDT, whose code is QEMU's.
// Usage: node tools/qemu-firmware.mjs [FILE WITH MORE COMMAND LINES, ONE A LINE]

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const golden = join(here, '../test/golden/qemu/firmware.json');
const folder = mkdtempSync(join(tmpdir(), 'pgdat-firmware-'));
const RANGES_AT = 0x1c0;
const UPPER_MEMORY = { start: 0xe0000, size: 0x20000 };
const TOP_SIZE = 0x80000;

execFileSync('nasm', ['-f', 'bin', '-o', join(folder, 'sector'), join(here, 'firmware-dump.asm')]);
const sector = readFileSync(join(folder, 'sector'));

/** Boots the sector; `ranges` are dumped after the fixed part. */
function boot(options, ranges) {
  const image = Buffer.alloc(1 << 20);
  sector.copy(image);
  for (const [i, { start, size }] of ranges.entries()) {
    image.writeUInt32LE(start, RANGES_AT + i * 8);
    image.writeUInt32LE(size, RANGES_AT + i * 8 + 4);
  }
  const disk = join(folder, 'disk');
  const out = join(folder, 'out');
  writeFileSync(disk, image);
  const { status, stderr } = spawnSync(
    'qemu-system-x86_64',
    [
      ...options.split(' '),
      ...['-nodefaults', '-display', 'none', '-no-reboot', '-drive', `format=raw,file=${disk}`],
      ...['-debugcon', `file:${out}`, '-device', 'isa-debug-exit,iobase=0x501'],
    ],
    { timeout: 60_000, encoding: 'utf8' },
  );
  if (status === null || status % 2 === 0) throw new Error(`${options}: ${stderr}`);
  const dump = readFileSync(out);
  const e820 = [];
  let at = 0;
  while (!dump.subarray(at, at + 20).every((byte) => byte === 0xff)) {
    const [start, size] = [dump.readBigUInt64LE(at), dump.readBigUInt64LE(at + 8)];
    e820.push({ start: `0x${start.toString(16)}`, size: `0x${size.toString(16)}`, type: dump.readUInt32LE(at + 16) });
    at += 20;
  }
  at += 20;
  // Pushed last comes first: AX, BX, CX, DX of E801h, AX of 88h.
  const legacy = [0, 2, 8].map((offset) => dump.readUInt16LE(at + offset));
  at += 10;
  const memory = ranges.map(({ start, size }) => {
    const bytes = dump.subarray(at, at + size);
    at += size;
    return { start, bytes };
  });
  return { e820, legacy, memory };
}

function record(options) {
  const { e820 } = boot(options, []);
  const reserved = e820.filter(({ start, type }) => type === 2 && BigInt(start) > 0x100000n);
  const area = reserved.map(({ start, size }) => ({ start: Number(start), size: Number(size) }))[0];
  const { legacy, memory } = boot(options, [UPPER_MEMORY, { start: area.start, size: Math.min(area.size, TOP_SIZE) }]);
  const read = (address, size) => {
    const { start, bytes } = memory.find(
      (range) => range.start <= address && address < range.start + range.bytes.length,
    );
    return bytes.subarray(address - start, address - start + size);
  };
  let rsdp = UPPER_MEMORY.start;
  while (read(rsdp, 8).toString('latin1') !== 'RSD PTR ') rsdp += 16;
  const table = (address) => {
    const header = read(address, 8);
    const bytes = read(address, header.readUInt32LE(4));
    return { name: header.toString('latin1', 0, 4), address, bytes };
  };
  const root = table(read(rsdp, 20).readUInt32LE(16));
  const tables = [root];
  for (let at = 36; at < root.bytes.length; at += 4) tables.push(table(root.bytes.readUInt32LE(at)));
  const fadt = tables.find(({ name }) => name === 'FACP').bytes;
  tables.push(table(fadt.readUInt32LE(36)), table(fadt.readUInt32LE(40)));
  const [e801Low, e801High, extendedKib] = legacy;
  return {
    options,
    e820: e820.map(({ start, size, type }) => `${start} ${size} ${type}`),
    legacy: { extendedKib, e801Low, e801High },
    tables: tables
      .sort((a, b) => a.address - b.address)
      .map(({ name, address, bytes }) => ({
        name,
        address: `0x${address.toString(16)}`,
        ...(name === 'DSDT' ? {} : { base64: bytes.toString('base64') }),
      })),
  };
}

try {
  const more = process.argv[2] === undefined ? [] : readFileSync(process.argv[2], 'utf8').split('\n');
  const known = JSON.parse(readFileSync(golden, 'utf8')).map(({ options }) => options);
  const lines = new Set([...known, ...more.map((line) => line.trim()).filter(Boolean)]);
  const rows = [...lines].map((options) => JSON.stringify(record(options)));
  writeFileSync(golden, `[\n${rows.map((row) => `  ${row}`).join(',\n')}\n]\n`);
} finally {
  rmSync(folder, { recursive: true });
}

// Every recorded boot from memblock on: with the memory, the nodes and the reservations that Linux 6.1 had, our zones,
// our log and our free lists must be its, in order and to the page frame.

import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { recordedLines, zoneStates } from '../../../cli/oracle/kernel_view.ts';
import { alloc_node_data } from '../../../kernel/arch/x86/node_data.ts';
import { recorder } from '../../../kernel/config.ts';
import { Kernel } from '../../../kernel/kernel.ts';
import { node_set } from '../../../kernel/lib/nodemask.ts';
import { memblock_add_node, memblock_replace_reserved, memblock_reserve } from '../../../kernel/mm/memblock.ts';
import { memblock_free_all } from '../../../kernel/mm/memblock_free.ts';
import { free_area_init } from '../../../kernel/mm/mm_init.ts';
import { sparse_init } from '../../../kernel/mm/sparse.ts';
import {
  cmdline_parse_kernelcore,
  cmdline_parse_movable_node,
  cmdline_parse_movablecore,
} from '../../../kernel/mm/zone_movable.ts';
import { testHw } from '../../support/hw.ts';

interface Region {
  base: string;
  size: string;
  nid: number | null;
  flags: number;
}

interface Recording {
  cmdline: string;
  memblock_reserved_at_free: Region[];
  expect: { dmesg: string[]; memblock_memory: Region[]; after_memblock_free_all: { node: number }[] };
}

const folder = new URL('../../golden/boot/', import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith('.json'));

/** What free_area_init() prints; fallback orders and the like come later. */
const ours =
  /^(Zone ranges| {2}(DMA|DMA32|Normal|Movable) |Movable zone start| {2}Node \d+: |Early memory| {2}node +\d|Initmem|Initializing|On node)/;

function replay(recording: Recording): Kernel {
  const memory = recording.expect.memblock_memory;
  const reserved = recording.memblock_reserved_at_free.map(({ base, size, nid, flags }) => ({
    base: Number(base),
    size: Number(size),
    nid: nid ?? -1,
    flags,
  }));
  const end = Math.max(...memory.map(({ base, size }) => Number(base) + Number(size)));
  const k = new Kernel(testHw(Math.ceil(end / 4096) * 4096), recorder, reserved);

  for (const option of recording.cmdline.split(' ')) {
    const [name, value] = option.split('=');
    if (name === 'kernelcore') cmdline_parse_kernelcore(k, value ?? null);
    if (name === 'movablecore') cmdline_parse_movablecore(k, value ?? null);
    if (name === 'movable_node') cmdline_parse_movable_node(k, null);
  }
  // The marks of hotpluggable memory are gone in the recording; they say where ZONE_MOVABLE is, so put them back.
  const hotplug = k.mm.movable_node_enabled;
  for (const { base, size, nid, flags } of memory) {
    const early = reserved.some((r) => r.nid === nid);
    memblock_add_node(k, Number(base), Number(size), nid!, hotplug && !early ? 1 : flags);
  }
  for (const { base, size, nid } of reserved) if (nid >= 0) memblock_reserve(k, base, size);
  for (const { node } of recording.expect.after_memblock_free_all) node_set(node, k.node_possible_map);
  for (const node of new Set(recording.expect.after_memblock_free_all.map((zone) => zone.node)))
    alloc_node_data(k, node);
  k.boot.pgd = 0x1001000;

  sparse_init(k);
  const pfn = Math.floor(end / 4096);
  free_area_init(k, [Math.min(0x1000, pfn), Math.min(0x100000, pfn), pfn, 0, 0]);
  memblock_replace_reserved(k, reserved);
  memblock_free_all(k);
  return k;
}

test.each(names)('%s', (name) => {
  const recording = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Recording;
  const k = replay(recording);
  const log = k.log.records.filter(({ level }) => level < 7).map(({ text }) => text);
  expect(recordedLines(log).filter((line) => ours.test(line))).toEqual(
    recording.expect.dmesg.filter((line) => ours.test(line)),
  );
  expect(zoneStates(k)).toEqual(recording.expect.after_memblock_free_all);
});

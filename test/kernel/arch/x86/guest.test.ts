import { afterAll, beforeAll, expect, test } from 'vitest';
import { GuestFault } from '../../../../emu/fault.ts';
import { createMachine, type Machine } from '../../../../emu/machine.ts';
import { PhysicalMemory } from '../../../../emu/memory.ts';
import { type FreeListCount, walkFreeLists } from '../../../../kernel/arch/x86/guest.ts';
import { debian } from '../../../../kernel/config.ts';
import { frag_show } from '../../../../kernel/fs/proc/buddyinfo.ts';
import { free_area, zone as zone_layout } from '../../../../kernel/include/mmzone.ts';
import { start_kernel } from '../../../../kernel/init/main.ts';
import { Kernel } from '../../../../kernel/kernel.ts';
import type { Zone } from '../../../../kernel/mm/mmzone.ts';
import { for_each_populated_zone } from '../../../../kernel/mm/mmzone_iter.ts';
import { assembleFile } from '../../../support/asm.ts';
import { bootHw, pcMap } from '../../../support/boot.ts';
import { GiB, MiB } from '../../../support/hw.ts';

const program = assembleFile('kernel/lib/guest/free_list_walk.asm');
let machine: Machine;
let k: Kernel;

//  0              640 KiB   1 MiB                              3 GiB      4 GiB        5 GiB
//  |--- node 0 ------|  hole  |----- node 0 ----|---- node 1 ----|   hole   |--- node 1 ---|
beforeAll(() => {
  // What is in RAM at the entry of the kernel, moved to RAM that a CPU shares.
  const hw = bootHw({ e820: pcMap(4 * GiB), cmdline: 'numa=fake=2' });
  if (!(hw.ram instanceof PhysicalMemory)) throw new Error('not our memory');
  machine = createMachine({ ram: hw.ram.ram, backend: 'unicorn' });
  machine.ram.write(0, hw.ram.read(0, MiB));
  k = new Kernel({ ...hw, ram: machine.ram, ports: machine.ports, cpu: machine.cpu }, debian);
  start_kernel(k);
});
afterAll(() => machine.close());

const walk = (zone: Zone): FreeListCount => {
  if (k.hw.cpu === null) throw new Error('no CPU');
  return walkFreeLists(k, k.hw.cpu, zone, program);
};

test('machine code that follows the pointers in RAM counts what /proc/buddyinfo says, in every zone', () => {
  let text = '';
  for (const zone of for_each_populated_zone(k)) {
    const counts = walk(zone)
      .blocks.map((n) => `${String(n).padStart(6)} `)
      .join('');
    text += `Node ${zone.nid}, zone ${zone.name.padStart(8)} ${counts}\n`;
  }
  expect(text).toBe(frag_show(k));
  expect(text.split('\n').length - 1).toBeGreaterThanOrEqual(4);
});

test('the pages on the lists are the zone’s free pages', () => {
  for (const zone of for_each_populated_zone(k)) {
    const { blocks, pages } = walk(zone);
    expect(pages).toBe(blocks.reduce((sum, n, order) => sum + n * 2 ** order, 0));
    expect(pages).toBeGreaterThan(0);
  }
});

test('a link that its neighbour does not return is found', () => {
  const zone = [...for_each_populated_zone(k)][0]!;
  const head = zone.pa + zone_layout.offset.free_area + 10 * free_area.size + 16; // order 10, Movable
  const saved = k.hw.ram.big64(head);
  k.hw.ram.set_big64(head, saved + 64n);
  expect(() => walk(zone)).toThrow(GuestFault);
  k.hw.ram.set_big64(head, saved);
  expect(walk(zone).pages).toBeGreaterThan(0);
});

test('a link into nothing is a page fault there', () => {
  const zone = [...for_each_populated_zone(k)][0]!;
  const head = zone.pa + zone_layout.offset.free_area;
  const saved = k.hw.ram.big64(head);
  k.hw.ram.set_big64(head, 0xdead000000000100n & 0x00007fffffffffffn);
  expect(() => walk(zone)).toThrow('page fault (vector 14)');
  k.hw.ram.set_big64(head, saved);
});

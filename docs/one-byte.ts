// What each stage of a boot says about one byte of RAM, read out of emulated memory: the listings of docs/boot.md.
//
//   npx esbuild docs/one-byte.ts --bundle --platform=node --format=esm --external:koffi --outfile=build/one-byte.mjs
//   node build/one-byte.mjs [--firmware bios|none] [--config debian|recorder] [ADDRESS]

import { parseArgs } from 'node:util';
import { bootLab } from '../cli/lab.ts';
import { acpiTable } from '../cli/oracle/firmware_view.ts';
import { parseQemuOptions } from '../emu/config/qemu_options.ts';
import type { FirmwareMode } from '../firmware/install.ts';
import { lookup_address } from '../kernel/arch/x86/pgtable.ts';
import { presets } from '../kernel/config.ts';
import { MAX_ORDER, MIGRATE_TYPES, mem_section, PAGES_PER_SECTION } from '../kernel/include/mmzone.ts';
import { PAGE_OFFSET, PAGE_SIZE, VMEMMAP_START } from '../kernel/include/types.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { for_each_free_page } from '../kernel/mm/free_list.ts';
import { buddy_order, PageBuddy, page_zone } from '../kernel/mm/page.ts';
import { get_pageblock_migratetype } from '../kernel/mm/pageblock.ts';

const { values, positionals } = parseArgs({
  options: { firmware: { type: 'string', default: 'bios' }, config: { type: 'string', default: 'debian' } },
  allowPositionals: true,
});
const byte = Number(positionals[0] ?? '0x123456789');
const pfn = Math.floor(byte / PAGE_SIZE);

const say = (text: string) => process.stdout.write(`${text}\n`);
const hex = (value: number | bigint): string => `0x${value.toString(16)}`;
const within = (start: number | bigint, size: number | bigint): boolean =>
  start <= byte && byte < Number(start) + Number(size);
const span = (start: number | bigint, size: number | bigint): string =>
  `[${hex(start)}-${hex(BigInt(start) + BigInt(size) - 1n)}]`;

function dump(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)].map((value) => value.toString(16).padStart(2, '0'));
    say(`  +${at.toString(16).padStart(2, '0')}  ${row.join(' ')}`);
  }
}

/** The firmware's word: what is in RAM before the kernel has run one instruction. */
function firmware(ram: Kernel['hw']['ram'], boot_params: number): void {
  const entries = ram.u8(boot_params + 0x1e8);
  for (let i = 0; i < entries; i++) {
    const at = boot_params + 0x2d0 + 20 * i;
    if (!within(ram.u64(at), ram.u64(at + 8))) continue;
    say(`boot_params at ${hex(boot_params)}: ${entries} e820 entries, [${i}] at ${hex(at)}`);
    dump(ram.read(at, 20));
  }
  const srat = acpiTable(ram, 'SRAT');
  if (srat === null) {
    say('no SRAT');
    return;
  }
  const view = new DataView(srat.buffer, srat.byteOffset, srat.length);
  for (let at = 48; at < srat.length; at += srat[at + 1]!) {
    if (srat[at] !== 1 || !within(view.getBigUint64(at + 8, true), view.getBigUint64(at + 16, true))) continue;
    say(`SRAT, ${srat.length} bytes: memory affinity entry at +${hex(at)}`);
    dump(srat.subarray(at, at + 40));
  }
}

function layout(k: Kernel): void {
  for (const { addr, size, type } of k.e820.e820_table) {
    if (within(addr, size)) say(`e820_table: ${span(addr, size)} type ${type}`);
  }
  for (const { base, size, nid, flags } of k.memblock.memory.regions) {
    if (within(base, size)) say(`memblock.memory: ${span(base, size)} nid ${nid} flags ${flags}`);
  }
  const reserved = k.memblock.reserved.regions.some(({ base, size }) => within(base, size));
  say(`memblock.reserved: ${reserved ? 'holds it' : 'does not hold it'}`);
  for (const { start, end, nid } of k.numa.numa_meminfo) {
    if (within(start, end - start)) say(`numa_meminfo: ${span(start, end - start)} nid ${nid}`);
  }
  const nr = Math.floor(pfn / PAGES_PER_SECTION);
  const roots = k.hw.ram.big64(k.mm.mem_section + 8 * Math.floor(nr / 128));
  const ms = Number(roots - PAGE_OFFSET) + mem_section.size * (nr % 128);
  say(`mem_section[${nr}] at ${hex(ms)}`);
  dump(k.hw.ram.read(ms, 16));
  for (const pgdat of k.node_data.filter((node) => node !== undefined)) {
    for (const zone of pgdat.node_zones.filter((one) => one.zone_spans_pfn(pfn))) {
      const { zone_start_pfn, spanned_pages, present_pages } = zone;
      say(`struct zone ${zone.name} of node ${zone.nid} at ${hex(zone.pa)}:`);
      say(`  zone_start_pfn ${hex(zone_start_pfn)}, spanned_pages ${spanned_pages}, present_pages ${present_pages}`);
      const { first_deferred_pfn } = pgdat;
      if (Number.isFinite(first_deferred_pfn)) say(`  first_deferred_pfn of the node: ${hex(first_deferred_pfn)}`);
    }
  }
}

/** The struct page, by the pointer that Linux would use and the page tables in RAM. */
function page(k: Kernel, of: number): void {
  const va = VMEMMAP_START + BigInt(of) * 64n;
  const mapped = lookup_address(k, va);
  if (mapped === null) {
    say(`pfn ${hex(of)}: no struct page`);
    return;
  }
  say(`pfn ${hex(of)}: struct page ${hex(va)} -> ${hex(mapped.pa)}, by a page of ${hex(mapped.size)}`);
  dump(k.hw.ram.read(mapped.pa, 64));
}

/** The free block that holds the page, and where on its list it is. */
function block(k: Kernel): void {
  for (let order = 0; order < MAX_ORDER; order++) {
    const head = pfn - (pfn % (1 << order));
    if (!PageBuddy(k, head) || buddy_order(k, head) !== order) continue;
    const zone = page_zone(k, head);
    for (let type = 0; type < MIGRATE_TYPES; type++) {
      const list = [...for_each_free_page(k.mm, zone, order, type)];
      const at = list.indexOf(head);
      if (at < 0) continue;
      const near = [at - 1, at, at + 1].map((i) => (list[i] === undefined ? 'the list head' : hex(list[i])));
      say(
        `free: order ${order}, migratetype ${type} (pageblock: ${get_pageblock_migratetype(k, pfn)}), number ${at + 1} of ${list.length}`,
      );
      say(`  ${near.join(' <-> ')}`);
      page(k, head);
      return;
    }
  }
  say('on no free list');
}

const machine = parseQemuOptions([]);
if ('errors' in machine) throw new Error(machine.errors.join('\n'));
say(`RAM: ${machine.config.layout.ram.map(({ start, end }) => span(start, end - start)).join(' ')}`);
say(`byte ${hex(byte)}: page frame ${hex(pfn)}, offset ${hex(byte % PAGE_SIZE)}\n`);

const lab = bootLab({
  machine: machine.config,
  kernel: presets[values.config as keyof typeof presets],
  cmdline: '',
  firmware: values.firmware as FirmwareMode,
  onFirmwareDone: ({ ram }, boot_params) => {
    say('after the firmware');
    firmware(ram, boot_params);
  },
  afterStage: (stage, k) => {
    if (!['setup_arch', 'mem_init', 'page_alloc_init_late'].includes(stage)) return;
    say(`\nafter ${stage}()`);
    if (stage === 'setup_arch') layout(k);
    page(k, pfn);
    block(k);
  },
});
lab.machine.close();
if (lab.stopped !== null) throw lab.stopped;

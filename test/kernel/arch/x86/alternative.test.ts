import { expect, test } from 'vitest';
import { alternative_instructions } from '../../../../kernel/arch/x86/alternative.ts';
import { freed_sections, init_section, percpu_load, smp_locks } from '../../../../kernel/arch/x86/sections.ts';
import { debian, presets, recorder } from '../../../../kernel/config.ts';
import { node_set } from '../../../../kernel/lib/nodemask.ts';
import { memblock_reserve } from '../../../../kernel/mm/memblock.ts';
import { memblock_free_all } from '../../../../kernel/mm/memblock_free.ts';
import { MiB } from '../../../support/hw.ts';
import { drawnZones, printed } from '../../../support/zoned.ts';

test.each(Object.values(presets))('the sections of $name lie in its image, one after the other', ({ image }) => {
  const init = init_section(image);
  const locks = smp_locks(image);
  expect(percpu_load(image)).toBe(init.start);
  expect(init.end).toBe(locks.start);
  expect([init.start % 4096, locks.start % 4096, locks.end % 4096]).toEqual([0, 0, 0]);
  expect(init.start).toBeGreaterThan(image.text + image.code_size);
  expect(image.percpu_static_size).toBeLessThan(image.init_size);
  expect(init.start).toBeGreaterThan(image.sdata);
  expect(locks.end + image.nosave_size + image.bss_size).toBe(image.brk_start);
});

test.each(Object.values(presets))(
  'what boot frees of $name is whole pages, in order, and nothing that stays',
  ({ image }) => {
    const freed = freed_sections(image);
    const { etext, start_rodata, end_rodata, sdata, text, start_bss_decrypted } = image;
    for (const { start, end } of freed) {
      expect([start % 4096, end % 4096]).toEqual([0, 0]);
      for (const kept of [text, etext - 1, start_rodata, end_rodata - 1, sdata, start_bss_decrypted - 4096]) {
        expect(kept < start || kept >= end).toBe(true);
      }
    }
    const ends = freed.flatMap(({ start, end }) => [start, end]);
    expect(ends).toEqual(ends.toSorted((a, b) => a - b));
  },
);

test('the recording kernel frees 963 pages of its image', () => {
  const pages = freed_sections(recorder.image).map(({ start, end }) => (end - start) / 4096);
  expect(pages).toEqual([511, 241, 211, 0]);
});

test("Debian's .bss begins where its /proc/iomem says", () => {
  expect(smp_locks(debian.image).end + debian.image.nosave_size).toBe(0x3310000);
});

test.each([
  { present: 2, possible: 2, freed: 9, why: 'several CPUs keep their locks' },
  { present: 1, possible: 1, freed: 9, why: 'one CPU for good' },
  { present: 1, possible: 4, freed: 0, why: 'more may come: the list is needed to put the locks back' },
  { present: 2, possible: 2, maxcpus: 1, freed: 0, why: 'more could be brought up' },
])('$present of $possible CPUs: $freed pages are freed ($why)', ({ present, possible, maxcpus, freed }) => {
  const k = drawnZones({
    memory: '0',
    unit: 128 * MiB,
    config: { ...debian, DEFERRED_STRUCT_PAGE_INIT: false },
    setup: (k) => memblock_reserve(k, k.config.image.text, k.config.image.end - k.config.image.text),
  });
  for (let cpu = 0; cpu < present; cpu++) node_set(cpu, k.cpus.cpu_present_mask);
  for (let cpu = 0; cpu < possible; cpu++) node_set(cpu, k.cpus.cpu_possible_mask);
  if (maxcpus !== undefined) k.cpus.setup_max_cpus = maxcpus;
  memblock_free_all(k);
  const dma32 = k.node_data[0]!.node_zones[1]!;
  const before = dma32.managed_pages;
  alternative_instructions(k);
  expect(dma32.managed_pages - before).toBe(freed);
  const line = 'Freeing SMP alternatives memory: 36K';
  expect(printed(k).includes(line)).toBe(freed > 0);
});

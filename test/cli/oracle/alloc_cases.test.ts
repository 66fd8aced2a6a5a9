// Recorded runs of Linux 6.1's page allocator against ours: every page frame, and the whole state after.

import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readAllocCase } from '../../../cli/oracle/alloc_case.ts';
import { readCaseFile } from '../../../cli/oracle/case_file.ts';
import { CaseError, Field } from '../../../cli/oracle/fields.ts';
import { parseGfp } from '../../../cli/oracle/gfp_text.ts';
import { checkCase } from '../../../cli/oracle/index.ts';
import { GFP_ATOMIC, GFP_KERNEL } from '../../../kernel/include/gfp_types.ts';

const folder = fileURLToPath(new URL('../../golden/alloc/', import.meta.url));
const all = readdirSync(folder).filter((name) => name.endsWith('.json.gz'));
/** One of each kind: isolation, ranges and many at once, reserves, settings on several CPUs, tracepoints; one node, all nodes, CMA, fragmentation, nodes that interleave. */
const some = [
  'isolate-cma',
  'contig-bulk',
  'highatomic-unreserve',
  'isolate-settings-cpus',
  'trace-cpus-cma',
  'trace-uma',
  'settings-movable',
  'reserves-exhausted',
  'fake-all',
  'uma-mem-memmap',
  'all-numa2-1g',
  'uma-2g-cma',
  'frag-uma-cma',
  'fw-interleaved',
];
const names = process.env['PGDAT_SOAK'] ? all : some.map((name) => `${name}.json.gz`);

it.each(names)('%s', (name) => {
  expect(checkCase(readCaseFile(folder + name), 'none')).toBeNull();
});

describe('a difference is found in', () => {
  const path = `${folder}uma-256m.json.gz`;
  const broken = (change: (value: { ops: unknown[][]; after: Record<string, unknown>[] }) => void): string | null => {
    const file = readCaseFile(path);
    const value = structuredClone(file.fields.value) as { ops: unknown[][]; after: Record<string, unknown>[] };
    change(value);
    return checkCase({ ...file, fields: new Field(value, '') }, 'none');
  };

  it('a page frame', () => {
    const problem = broken(({ ops }) => {
      const op = ops.find(([what]) => what === 'a')!;
      op[3] = (op[3] as number) + 1;
    });
    expect(problem).toMatch(/^ops\[\d+\] \(order \d+, kind \d\): expected page frame \d+, found page frame \d+$/);
  });
  it('the state after', () => {
    expect(broken(({ after }) => Object.assign(after[1]!, { nr_free_pages: 1 }))).toMatch(
      /^after\.0 DMA32\.nr_free_pages: expected 1, found \d+$/,
    );
  });
  it('an event of a tracepoint', () => {
    const file = readCaseFile(`${folder}trace-uma.json.gz`);
    const value = structuredClone(file.fields.value) as { trace: string[] };
    value.trace[5] = value.trace[5]!.replace('order=', 'order=1');
    expect(checkCase({ ...file, fields: new Field(value, '') }, 'none')).toMatch(/^trace\[5\]: expected "0 mm_page_/);
  });
  it('an operation that is none', () => {
    expect(broken(({ ops }) => ops.splice(7, 1, ['x', 0, 0]))).toBe(
      'ops[7]: wanted an allocation or a free, found ["x",0,0]',
    );
  });
});

describe('allocation flags in words', () => {
  it.each([
    ['GFP_KERNEL', GFP_KERNEL],
    ['GFP_ATOMIC & ~__GFP_RECLAIM', 0x220],
    ['(GFP_KERNEL|__GFP_DMA32) & ~__GFP_RECLAIM', 0xc4],
    ['GFP_KERNEL | __GFP_DMA32 & ~__GFP_DMA32', GFP_KERNEL],
    ['~(~GFP_ATOMIC)', GFP_ATOMIC],
  ])('%s', (text, value) => {
    expect(parseGfp(text)).toBe(value);
  });
  it.each(['', 'GFP_KERNEL |', '(GFP_KERNEL', 'GFP_NONE', 'GFP_KERNEL GFP_ATOMIC'])('not %s', (text) => {
    expect(() => parseGfp(text)).toThrow(CaseError);
  });
});

it('every recorded kind of request is understood', () => {
  const { kinds } = readAllocCase(readCaseFile(`${folder}uma-256m.json.gz`).fields);
  expect(kinds.map((kind) => kind.toString(16))).toEqual(['2020c0', '3020ca', '2020d0', '202220', '2020c4', '2220c0']);
});

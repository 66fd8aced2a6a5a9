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
/**
 * One of each kind: isolation, ranges and many at once, reserves, settings on several CPUs, tracepoints; one node, all nodes,
 * CMA, fragmentation, nodes that interleave.
 */
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

describe('a case that cannot be is refused in a line that says where', () => {
  const good = JSON.stringify(readCaseFile(`${folder}trace-uma.json.gz`).fields.value);
  type Case = { before: Record<string, never>[]; after: Record<string, never>[]; ops: unknown[]; cpu_nodes: number[] };
  const problemOf = (change: (value: Case) => void): string | null => {
    const value = JSON.parse(good) as Case;
    value.ops = value.ops.slice(0, 20);
    change(value);
    return checkCase({ kind: 'alloc', path: 'x.json', name: 'x', fields: new Field(value, '') }, 'none');
  };
  const inZone = (values: object) => (value: Case) => void Object.assign(value.before[1]!, values);
  const ops =
    (...list: unknown[]) =>
    (value: Case) => {
      value.ops = list;
    };
  it.each<[string, (value: Case) => void, string]>([
    ['no zone', (value) => void Object.assign(value, { before: [] }), 'before: wanted a zone at least'],
    ['a span without end', inZone({ spanned: 2 ** 53 }), 'before[1].spanned: wanted a whole number from 1 to '],
    ['half a page', inZone({ nr_free_pages: 1.5 }), 'before[1].nr_free_pages: wanted a whole number'],
    ['a node out of range', inZone({ node: 1024 }), 'before[1].node: wanted a whole number from 0 to 1023, found 1024'],
    ['a zone out of range', inZone({ index: 9 }), 'before[1].index: wanted a whole number from 0 to 3, found 9'],
    ['a zone twice', inZone({ index: 0 }), 'before[1]: zone 0:0 is there already'],
    ['other pageblocks', inZone({ blocks: '1*99999999' }), 'before[1].blocks: 99999999 pageblocks, the zone spans '],
    ['no pageblocks', inZone({ blocks: 'x' }), 'before[1].blocks: wanted runs such as "1*15 f*2", found "x"'],
    [
      'a list of no order',
      inZone({ free_lists: { '11/1': [] } }),
      'before[1].free_lists.11/1: wanted ORDER/MIGRATETYPE',
    ],
    [
      'a page frame elsewhere',
      inZone({ free_lists: { '0/1': [5] } }),
      'before[1].free_lists.0/1: page frame 5 of order 0 is',
    ],
    [
      'an odd block',
      inZone({ free_lists: { '1/1': [5121] } }),
      'before[1].free_lists.1/1: page frame 5121 is not aligned',
    ],
    [
      'a page frame in two blocks',
      inZone({ free_lists: { '0/1': [5121], '1/1': [5120] } }),
      'before[1].free_lists.0/1: page frame 5121 is on before[1].free_lists.1/1 already',
    ],
    ['a CPU too many', (value) => void value.cpu_nodes.push(0), 'before[0].cpus: 1 of them, and cpu_nodes has 2'],
    [
      'a node of no machine',
      (value) => void Object.assign(value, { cpu_nodes: [7] }),
      'cpu_nodes[0]: node 7 is not a node of this case',
    ],
    [
      'a zone that comes',
      (value) => void Object.assign(value.after[0]!, { index: 3 }),
      'after[0]: zone 0:3 was not there',
    ],
    ['a free of no memory', ops(['f', 0, 2 ** 40]), 'ops[0]: page frame 1099511627776 of order 0 is not memory'],
    ['a request to no node', ops(['a', 0, 0, 0, 1]), 'ops[0]: node 1 is not a node of this case'],
    ['a request to node 65536', ops(['a', 0, 0, 0, 65536]), 'ops[0]: wanted an allocation or a free'],
    ['no such letter', ops(['toString', 0]), 'ops[0]: wanted an allocation or a free, found ["toString",0]'],
    ['no such CPU', ops(['c', 1]), 'ops[0]: wanted a CPU of this case, found 1 in ["c",1]'],
    ['a range without end', ops(['u', 512, 2 ** 52, 1]), 'ops[0]: wanted pages up to the end of memory of this case'],
    ['no such zone', ops(['z', 0, 3]), 'ops[0]: wanted a zone of that node of this case, found 3'],
  ])('%s', (_name, change, problem) => {
    expect(problemOf(change)?.slice(0, problem.length)).toBe(problem);
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

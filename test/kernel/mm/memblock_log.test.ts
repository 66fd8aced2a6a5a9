// The log of a real boot with memblock=debug (Debian's 6.1.192, QEMU pc, 4 GiB, two nodes), played again: what the
// log says was asked is asked of us, and the whole log that this makes must be that log. The arguments are Linux's; the
// addresses and the dumps are ours. Callers' offsets (+0x65/0x7d) are a build's own and left out.

import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import type { Ram } from '../../../kernel/arch/x86/hw.ts';
import { debian } from '../../../kernel/config.ts';
import { MEMBLOCK_ALLOC_ANYWHERE, PHYS_ADDR_MAX } from '../../../kernel/include/memblock.ts';
import { Kernel } from '../../../kernel/kernel.ts';
import { MAX_NUMNODES } from '../../../kernel/lib/nodemask.ts';
import {
  early_memblock,
  memblock_add,
  memblock_add_node,
  memblock_allow_resize,
  memblock_phys_free,
  memblock_remove,
  memblock_replace_reserved,
  memblock_reserve,
  memblock_set_node,
} from '../../../kernel/mm/memblock.ts';
import {
  memblock_alloc_exact_nid_raw,
  memblock_alloc_try_nid,
  memblock_alloc_try_nid_raw,
  memblock_phys_alloc_range,
  memblock_phys_alloc_try_nid,
} from '../../../kernel/mm/memblock_alloc.ts';
import { memblock_dump_all, memblock_trim_memory } from '../../../kernel/mm/memblock_info.ts';
import { GiB, MiB, testHw } from '../../support/hw.ts';

const path = new URL('../../golden/memblock/debian-6.1.192-pc-4g-2nodes.log', import.meta.url);
const golden = readFileSync(path, 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => line.replace(/\+0x[0-9a-f]+\/0x[0-9a-f]+$/, ''));

/** 4 GiB that are only ever cleared: nothing is read back here. */
const ram = new Proxy({} as Ram, { get: (_, name) => (name === 'fill' ? () => {} : undefined) });
const texts = (k: Kernel): string[] => k.log.records.map(({ text }) => text);

/** numa_register_memblks() and numa_clear_kernel_node_hotplug() for nodes 0-2 GiB and 2-5 GiB. */
function numaInit(k: Kernel): void {
  const { memory, reserved } = k.memblock;
  for (const type of [memory, reserved]) {
    memblock_set_node(k, 0, PHYS_ADDR_MAX, type, MAX_NUMNODES);
    memblock_set_node(k, 0, 2 * GiB, type, 0);
    memblock_set_node(k, 2 * GiB, 3 * GiB, type, 1);
  }
}

/** Does what one line of the log says was asked. A line that follows from an earlier one is there already. */
function play(k: Kernel, line: string, asNode: () => number): void {
  const [base = 0, last = 0] = [...line.matchAll(/(?<=[[-])0x[0-9a-f]+/g)].map(([text]) => Number(text));
  const size = last - base + 1;
  const value = (name: string): number => Number(line.match(new RegExp(`${name}=(\\S+)`))?.[1]);
  const [bytes, caller] = [Number(line.match(/(\d+) bytes/)?.[1]), line.split(' ').at(-1)!];
  const [align, from, max_addr, nid] = [value('align'), value('from'), value('max_addr'), value('nid')];
  switch (line.split(':')[0]) {
    case 'memblock_add':
      memblock_add(k, base, size, caller);
      break;
    case 'memblock_reserve':
      // An allocation that Linux logs only the reservation of: NODE_DATA.
      if (caller === 'memblock_alloc_range_nid') memblock_phys_alloc_try_nid(k, size, 64, asNode());
      else memblock_reserve(k, base, size, caller);
      break;
    case 'memblock_phys_free':
      memblock_phys_free(k, base, size, caller);
      break;
    case 'memblock_phys_alloc_range':
      memblock_phys_alloc_range(k, bytes, align, from, max_addr, caller);
      break;
    case 'memblock_alloc_try_nid':
      memblock_alloc_try_nid(k, bytes, align, from, max_addr, nid, caller);
      break;
    case 'memblock_alloc_try_nid_raw':
      memblock_alloc_try_nid_raw(k, bytes, align, from, max_addr, nid, caller);
      break;
    case 'memblock_alloc_exact_nid_raw':
      memblock_alloc_exact_nid_raw(k, bytes, align, from, max_addr, nid, caller);
      break;
    case 'MEMBLOCK configuration':
      if (k.memblock.memory.regions.length === 3) memblock_trim_memory(k, 0x1000);
      memblock_dump_all(k);
      break;
    default:
      throw new Error(`what is this? ${line}`);
  }
}

describe('memblock=debug', () => {
  it('logs a boot as Linux does, with every block where Linux put it', () => {
    const k = new Kernel({ ...testHw(), ram }, debian);
    early_memblock(k, 'debug');
    // Reserved before the log begins: low memory, the kernel, the initrd.
    memblock_replace_reserved(k, [
      { base: 0, size: 0x10000, flags: 0, nid: -1 },
      { base: 0x9f000, size: 0x61000, flags: 0, nid: -1 },
      { base: 0x1000000, size: 0x3411000, flags: 0, nid: -1 },
      { base: 0xbfee4000, size: 0xfc000, flags: 0, nid: -1 },
    ]);
    let nodes = 0;
    const asNode = (): number => {
      if (nodes === 0) numaInit(k);
      return nodes++;
    };
    golden.forEach((line, i) => {
      if (texts(k).length <= i) play(k, line, asNode);
      if (texts(k)[i] !== line) expect(`${i + 1}: ${texts(k)[i]}`).toBe(`${i + 1}: ${line}`);
    });
    expect(texts(k)).toEqual(golden);
    expect(nodes).toBe(2);
    expect(golden.length).toBe(162);
  });

  const logged = (run: (k: Kernel) => void): string[] => {
    const k = new Kernel(testHw(), debian);
    early_memblock(k, 'debug');
    run(k);
    return texts(k);
  };

  test.each([
    {
      name: 'memblock_add_node, flags in hex without 0x',
      run: (k: Kernel) => memblock_add_node(k, MiB, MiB, 1, 10, 'f'),
      wanted: ['memblock_add_node: [0x0000000000100000-0x00000000001fffff] nid=1 flags=a f'],
    },
    {
      name: 'memblock_remove',
      run: (k: Kernel) => memblock_remove(k, MiB, MiB, 'f'),
      wanted: ['memblock_remove: [0x0000000000100000-0x00000000001fffff] f'],
    },
    {
      name: 'a caller that nobody named',
      run: (k: Kernel) => memblock_reserve(k, MiB, MiB),
      wanted: ['memblock_reserve: [0x0000000000100000-0x00000000001fffff]'],
    },
    {
      name: 'an empty range, whose end is before its start',
      run: (k: Kernel) => memblock_reserve(k, 0, 0, 'f'),
      wanted: ['memblock_reserve: [0x0000000000000000-0xffffffffffffffff] f'],
    },
    {
      name: 'the end of the address space',
      run: (k: Kernel) => memblock_remove(k, MiB, PHYS_ADDR_MAX, 'f'),
      wanted: ['memblock_remove: [0x0000000000100000-0x00000000000ffffe] f'],
    },
    {
      name: 'an allocation from anywhere',
      run: (k: Kernel) => memblock_phys_alloc_range(k, 64, 64, 0, MEMBLOCK_ALLOC_ANYWHERE, 'f'),
      wanted: ['memblock_phys_alloc_range: 64 bytes align=0x40 from=0x0000000000000000 max_addr=0xffffffffffffffff f'],
    },
  ])('$name', ({ run, wanted }) => expect(logged(run)).toEqual(wanted));

  it('tells when a list grows', () => {
    const lines = logged((k) => {
      memblock_add(k, 0, 16 * MiB);
      memblock_allow_resize(k);
      for (let i = 0; i < 129; i++) memblock_reserve(k, MiB + i * 0x2000, 0x1000, 'f');
    });
    expect(lines.slice(-3)).toEqual([
      'memblock_reserve: [0x0000000000200000-0x0000000000200fff] f',
      'memblock: reserved is doubled to 256 at [0x0000000000ffe000-0x0000000000fff7ff]',
      'memblock_reserve: [0x0000000000ffe000-0x0000000000ffffff] memblock_double_array',
    ]);
  });

  test.each(['debug', 'x,debug', 'nodebugging'])('is switched on by memblock=%s', (value) => {
    const k = new Kernel(testHw(), debian);
    expect(early_memblock(k, value)).toBe(0);
    expect(k.memblock.debug).toBe(true);
  });
  test.each([null, '', 'on', 'Debug'])('is not switched on by memblock=%s', (value) => {
    const k = new Kernel(testHw(), debian);
    expect(early_memblock(k, value)).toBe(0);
    memblock_add(k, MiB, MiB);
    memblock_dump_all(k);
    expect(texts(k)).toEqual([]);
  });
});

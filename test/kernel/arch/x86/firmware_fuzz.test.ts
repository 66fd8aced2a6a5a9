// Whatever firmware says, the kernel comes through or panics in Linux's words: nothing else is thrown, nothing goes on
// for ever, and memory that is not panicked away belongs to nodes that are there.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { numa_setup } from '../../../../kernel/arch/x86/numa.ts';
import { recorder } from '../../../../kernel/config.ts';
import type { Kernel } from '../../../../kernel/kernel.ts';
import { KernelPanic } from '../../../../kernel/lib/bug.ts';
import { node_isset } from '../../../../kernel/lib/nodemask.ts';
import {
  type Bytes,
  boot,
  cpu,
  dsdt,
  FIRMWARE,
  facs,
  fadt,
  firmwareOf,
  HOTPLUG,
  layOut,
  lines,
  machine,
  mem,
  qemuMadt,
  setUp,
  slit,
  srat,
} from '../../../support/acpi.ts';
import { GiB, MiB } from '../../../support/hw.ts';

const { hw } = machine({});

/** The kernel after it, or null if it panicked. */
function through(k: Kernel): Kernel | null {
  try {
    return setUp(k);
  } catch (error) {
    if (error instanceof KernelPanic) return null;
    throw error;
  }
}

function expectSane(k: Kernel): void {
  for (const { base, size, nid } of k.memblock.memory.regions) {
    // Up to a MiB may be nobody's.
    if (size >= MiB || nid < 1024) expect(node_isset(nid, k.node_online_map), `node ${nid} of ${base}`).toBe(true);
  }
  for (let n = 0; n < k.cpus.nr_cpu_ids; n++) {
    expect(node_isset(k.cpus.x86_cpu_to_node_map[n]!, k.node_online_map)).toBe(true);
  }
}

const AT = FIRMWARE + 0x1000;
const rows = [
  [10, 21],
  [31, 10],
];
const good = (): [number, number[]][] => [
  ...layOut(
    [
      facs(),
      dsdt(),
      fadt(AT, AT + 0x40),
      srat([cpu(0, 0), cpu(1, 1), mem(0, 0, GiB), mem(1, GiB, GiB)]),
      slit(rows),
      qemuMadt(2),
    ],
    { rsdp: FIRMWARE, at: AT },
  ),
];

const anyByte = fc.oneof(fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0xff), fc.nat(255));
const patch = fc.record({ table: fc.nat(7), offset: fc.double({ min: 0, max: 1, noNaN: true }), byte: anyByte });

describe('tables with random bytes changed', () => {
  it('are survived', () => {
    fc.assert(
      fc.property(fc.array(patch, { minLength: 1, maxLength: 6 }), fc.boolean(), (patches, verify) => {
        const firmware = good();
        for (const { table, offset, byte } of patches) {
          const bytes = firmware[table]![1];
          bytes[Math.floor(offset * (bytes.length - 1))] = byte;
        }
        const k = machine({ firmware, hw });
        k.acpi.acpi_rsdp = BigInt(FIRMWARE);
        k.acpi.acpi_verify_table_checksum = verify;
        const done = through(k);
        if (done !== null) expectSane(done);
      }),
      { numRuns: 40, seed: 6 },
    );
  });
});

describe('any memory entries', () => {
  const MEMORY_END = 0x7ffe0000;
  const address = fc.oneof(
    fc.nat(MEMORY_END / 0x1000).map((page) => BigInt(page) * 0x1000n),
    fc.nat(40).map((n) => BigInt(n) * 0x4000000n),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  );
  const entry = fc
    .tuple(fc.nat(5), address, address, fc.constantFrom(0, HOTPLUG), fc.constantFrom(0, 1, 1, 1))
    .map(([pxm, base, length, flags, enabled]): Bytes => mem(pxm, base, length, flags, enabled));

  it('are survived', () => {
    const fake = fc.constantFrom(null, 'fake=2', 'fake=200M', 'fake=3U', 'fake=9:10,30');
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 12 }), fc.boolean(), fake, (entries, covered, numa) => {
        const all = covered ? [...entries, mem(7, 0, MEMORY_END)] : entries;
        const k = machine({ ...firmwareOf([srat(all), slit(rows)]), hw });
        if (numa !== null) numa_setup(k, numa);
        const done = through(k);
        if (done !== null) expectSane(done);
      }),
      { numRuns: 40, seed: 6 },
    );
  });
});

describe('many entries', () => {
  // 16 MiB each; the recorder's kernel knows 64 nodes.
  const interleaved = (count: number): Bytes[] =>
    Array.from({ length: count }, (_, i) => mem(i & 1, i * 0x1000000, 0x1000000));

  it('up to two for each possible node are taken', () => {
    const k = boot([srat(interleaved(128))], { config: recorder, hw });
    expect(k.numa.numa_meminfo).toHaveLength(128);
    expect(lines(k)).not.toContain('No NUMA configuration found');
  });

  it('beyond that are too many', () => {
    const k = boot([srat(interleaved(129))], { config: recorder, hw });
    expect(lines(k)).toContain('too many memblk ranges');
    expect(lines(k)).toContain('ACPI: SRAT: Failed to add memblk to node 0 [mem 0x80000000-0x80ffffff]');
    expect(lines(k)).toContain('ACPI: SRAT: SRAT not used.');
    expect(lines(k)).toContain('No NUMA configuration found');
  });

  it('of more than 256 KiB together are not looked at', () => {
    const k = boot([srat(Array.from({ length: 7000 }, () => mem(0, 0, GiB)))], { hw });
    expect(lines(k)).toContain('WARNING: CPU: 0 PID: 0 at mm/early_ioremap.c:141 __early_ioremap');
    expect(lines(k)).toContain('No NUMA configuration found');
  });
});

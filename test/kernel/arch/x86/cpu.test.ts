// CPU numbers from the MADT, and the parameters that limit them.

import { describe, expect, it } from 'vitest';
import { _setup_possible_cpus, bringup_nonboot_cpus, maxcpus, nosmp, nrcpus } from '../../../../kernel/arch/x86/cpu.ts';
import type { Kernel } from '../../../../kernel/kernel.ts';
import { bitmap_list } from '../../../../kernel/lib/nodemask.ts';
import { type Bytes, boot, lapic, madt, said, x2apic } from '../../../support/acpi.ts';

const enabled = (count: number): Bytes[] => Array.from({ length: count }, (_, i) => lapic(i, i));
const disabled = (count: number): Bytes[] => Array.from({ length: count }, (_, i) => lapic(100 + i, 100 + i, 0));
const withCpus = (entries: readonly Bytes[], setup?: (k: Kernel) => void): Kernel =>
  boot([madt(entries)], setup === undefined ? {} : { setup });
const allowing = (k: Kernel): string => said(k, /^smpboot: Allowing/)[0]!;
const apicids = (k: Kernel): number[] => [...k.cpus.x86_cpu_to_apicid.slice(0, k.cpus.nr_cpu_ids)];

describe('CPU numbers', () => {
  it('are in the order of the MADT', () => {
    const k = withCpus([lapic(0, 0), lapic(1, 8), lapic(2, 2), lapic(3, 9)]);
    expect(apicids(k)).toEqual([0, 8, 2, 9]);
    expect(allowing(k)).toBe('smpboot: Allowing 4 CPUs, 0 hotplug CPUs');
  });

  it('begin with the boot CPU, wherever it is listed', () => {
    expect(apicids(withCpus([lapic(0, 4), lapic(1, 2), lapic(2, 0)]))).toEqual([0, 4, 2]);
    // A machine whose first CPU is not 0 boots on that one.
    expect(apicids(withCpus([lapic(0, 32), lapic(1, 34)]))).toEqual([32, 34]);
  });

  it('count those that may be plugged in, and not the invalid ones', () => {
    const k = withCpus([...enabled(2), ...disabled(3), lapic(9, 0xff)]);
    expect(allowing(k)).toBe('smpboot: Allowing 5 CPUs, 3 hotplug CPUs');
    expect(bitmap_list(k.cpus.cpu_possible_mask)).toBe('0-4');
    expect(bitmap_list(k.cpus.cpu_present_mask)).toBe('0-1');
    expect(apicids(k)).toEqual([0, 1, 0xffff, 0xffff, 0xffff]);
  });

  it('take ids of 255 and more only in x2APIC mode', () => {
    const entries = [lapic(0, 0), x2apic(1, 300)];
    expect(apicids(withCpus(entries))).toEqual([0]);
    const on = withCpus(entries, (k) => {
      k.cpus.x2apic_mode = true;
    });
    expect(apicids(on)).toEqual([0, 300]);
  });

  it('of a machine without MADT are one', () => {
    const k = boot([]);
    expect(said(k, /^smpboot/)).toEqual([
      'smpboot: Boot CPU (id 0) not listed by BIOS',
      'smpboot: Allowing 1 CPUs, 0 hotplug CPUs',
    ]);
  });
});

describe('parameters', () => {
  it.each([
    ['nr_cpus=2', 4, 0, (k: Kernel) => nrcpus(k, '2'), 'Allowing 2 CPUs, 0 hotplug CPUs', '0-1'],
    ['nr_cpus=9', 4, 2, (k: Kernel) => nrcpus(k, '9'), 'Allowing 6 CPUs, 2 hotplug CPUs', '0-3'],
    ['nr_cpus=0', 4, 0, (k: Kernel) => nrcpus(k, '0'), 'Allowing 4 CPUs, 0 hotplug CPUs', '0-3'],
    ['maxcpus=3', 4, 2, (k: Kernel) => maxcpus(k, '3'), 'Allowing 6 CPUs, 2 hotplug CPUs', '0-2'],
    ['nosmp', 4, 2, (k: Kernel) => nosmp(k), 'Allowing 1 CPUs, 0 hotplug CPUs', '0'],
    ['possible_cpus=6', 4, 0, (k: Kernel) => _setup_possible_cpus(k, '6'), 'Allowing 6 CPUs, 2 hotplug CPUs', '0-3'],
    ['possible_cpus=0', 2, 0, (k: Kernel) => _setup_possible_cpus(k, '0'), 'Allowing 1 CPUs, 0 hotplug CPUs', '0'],
    ['possible_cpus=2', 4, 0, (k: Kernel) => _setup_possible_cpus(k, '2'), 'Allowing 2 CPUs, 0 hotplug CPUs', '0-1'],
  ])('%s', (_, on, off, parameter, line, online) => {
    const k = withCpus([...enabled(on), ...disabled(off)], (kernel) => parameter(kernel));
    expect(allowing(k)).toBe(`smpboot: ${line}`);
    bringup_nonboot_cpus(k);
    expect(bitmap_list(k.cpus.cpu_online_mask)).toBe(online);
  });

  it('that leave a CPU out say so', () => {
    const k = withCpus(enabled(4), (kernel) => nrcpus(kernel, '2'));
    expect(said(k, /^APIC:/)).toEqual([
      'APIC: NR_CPUS/possible_cpus limit of 2 reached. Processor 2/0x2 ignored.',
      'APIC: NR_CPUS/possible_cpus limit of 2 reached. Processor 3/0x3 ignored.',
    ]);
    const late = withCpus([lapic(0, 5), lapic(1, 6), lapic(2, 7), lapic(3, 0)], (kernel) => nrcpus(kernel, '2'));
    expect(said(late, /^APIC:/)).toEqual([
      'APIC: NR_CPUS/possible_cpus limit of 2 almost reached. Keeping one slot for boot cpu.  Processor 1/0x6 ignored.',
      'APIC: NR_CPUS/possible_cpus limit of 2 almost reached. Keeping one slot for boot cpu.  Processor 2/0x7 ignored.',
    ]);
    expect(apicids(late)).toEqual([0, 5]);
  });
});

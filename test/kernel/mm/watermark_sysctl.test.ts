// The allocator's sysctls against what Debian 12's kernel 6.1.192 did with the same writes, one after another, on a
// machine of two nodes, 4 GiB and two CPUs. How it was recorded: docs/recorder/init-sysctl.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bootLab, type Lab } from '../../../cli/lab.ts';
import { parseQemuOptions } from '../../../emu/config/qemu_options.ts';
import { debian, type KernelConfig, recorder } from '../../../kernel/config.ts';
import { proc_sys_read, proc_sys_write } from '../../../kernel/fs/proc/proc_sysctl.ts';
import { zoneinfo_show } from '../../../kernel/fs/proc/zoneinfo.ts';
import { WMARK_HIGH, WMARK_LOW, WMARK_MIN } from '../../../kernel/include/mmzone.ts';
import { EINVAL, ENOENT } from '../../../kernel/include/types.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { zone_pcp_update } from '../../../kernel/mm/pageset.ts';

const recorded = (name: string): string =>
  readFileSync(new URL(`../../golden/proc/debian-numa2-4g-${name}.txt`, import.meta.url), 'utf8');

/** pc, 4 GiB, 2 CPUs, 2 nodes: what no options mean. */
function boot(cmdline = '', kernel: KernelConfig = debian, options: string[] = []): Lab {
  const parsed = parseQemuOptions(options);
  if ('errors' in parsed) throw new Error(parsed.errors.join('\n'));
  return bootLab({ machine: parsed.config, kernel, cmdline, firmware: 'none' });
}

/** The lines of /proc/zoneinfo that were recorded, of zones that manage memory. */
const zones = (k: Kernel): string =>
  zoneinfo_show(k)
    .split(/^(?=Node)/m)
    .filter((zone) => !/^ +managed +0$/m.test(zone))
    .join('')
    .split('\n')
    .filter((line) =>
      /^Node|^ {8}(boost|min|low|high|managed) |protection|^ {14}(high|batch):|^ {2}vm stats/.test(line),
    )
    .join('\n');

const scalars = [
  'min_free_kbytes',
  'watermark_scale_factor',
  'watermark_boost_factor',
  'percpu_pagelist_high_fraction',
] as const;
const read = (k: Kernel, name: string): string => proc_sys_read(k, `sys/vm/${name}`)!.trimEnd();
const write = (k: Kernel, name: string, text: string): number => proc_sys_write(k, `sys/vm/${name}`, text);
const values = (k: Kernel, names: readonly string[]): string[] => names.map((name) => `${name}=${read(k, name)}`);

/** Boot frees other parts of itself, and an initrd that is not here: what zones manage, and their marks, are as recorded. */
function adopt(k: Kernel, start: string): void {
  for (const block of start.split(/^(?=Node)/m).slice(1)) {
    const [, nid, name] = /^Node (\d+), zone +(\w+)/.exec(block)!;
    const zone = k.node_data[Number(nid)]!.node_zones.find((z) => z.name === name)!;
    const field = (key: string): number => Number(new RegExp(`^ +${key} +(\\d+)$`, 'm').exec(block)![1]);
    zone.managed_pages = field('managed');
    zone.set_watermark(WMARK_MIN, field('min'));
    zone.set_watermark(WMARK_LOW, field('low'));
    zone.set_watermark(WMARK_HIGH, field('high'));
    zone_pcp_update(k, zone, 0);
  }
}

const expanded = (text: string): string => text.replaceAll('\\n', '\n').replaceAll('\\t', '\t');

describe('recorded', () => {
  const [start, ...steps] = recorded('sysctl')
    .trimEnd()
    .split(/^(?=READ|WRITE)/m) as [string, ...string[]];
  const { kernel: k } = boot();
  adopt(k, start);

  it('there are steps of every kind', () => {
    expect(steps.length).toBeGreaterThan(30);
    expect(values(k, scalars).join('\n')).toBe(start.split('\n').slice(1, 5).join('\n'));
  });

  // Each step goes on from where the one before left the kernel.
  it.each(steps.map((step) => [step.split('\n', 1)[0]!, step]))('%s', (head, step) => {
    const [, action, name, text] = /^(READ|WRITE) (\w+) ?(.*)$/.exec(head)!;
    const lines = step.trimEnd().split('\n').slice(1);
    const got: string[] = [];
    if (action === 'READ') {
      got.push(...values(k, [name!]));
    } else {
      if (text !== '' && write(k, name!, expanded(text!)) < 0) got.push('Invalid argument');
      got.push(...values(k, scalars));
    }
    got.push(...zones(k).split('\n'), 'END');
    if (step.includes('lowmem_reserve_ratio=') && action === 'WRITE') {
      got.push(...values(k, [...scalars.slice(0, 3), 'lowmem_reserve_ratio', scalars[3]]));
    }
    expect(got.join('\n')).toBe(lines.join('\n'));
  });
});

it('sysctl= parameters are set when boot is done, and what is wrong with them is said as recorded', () => {
  const text = recorded('sysctl-cmdline');
  const logged = (pattern: RegExp): string[] =>
    text
      .split('\n')
      .filter((line) => pattern.test(line))
      .map((line) => line.slice('LOG '.length));
  const [command_line] = logged(/^LOG Kernel command line/) as [string];
  const { kernel: k } = boot(command_line.slice('Kernel command line: '.length));
  const messages = k.log.records.map(({ text: line }) => line);
  const wanted = logged(/^LOG (Failed|Setting|Wrote|Unknown)/);
  expect(wanted).toHaveLength(7);
  expect(messages.filter((line) => /^(Failed|Setting|Wrote|Unknown kernel)/.test(line))).toEqual(wanted);
  expect(values(k, scalars)).toEqual(text.split('\n').slice(1, 5));
  expect(values(k, ['lowmem_reserve_ratio'])).toEqual([/^lowmem_reserve_ratio=.*$/m.exec(text)![0]]);
});

it('the reserves grow by what boot freed after they were made, once their ratio is read', () => {
  const { kernel: k } = boot('', recorder);
  const before = zones(k);
  expect(read(k, 'lowmem_reserve_ratio')).toBe('256\t256\t32\t0');
  const after = zones(k);
  expect(after).not.toBe(before);
  expect(after.replace(/protection.*/g, '')).toBe(before.replace(/protection.*/g, ''));
});

describe('numbers as text', () => {
  const { kernel: k } = boot('', debian, ['-m', '256M']);
  it.each([
    ['a decimal number', '1000', 4, '1000'],
    ['hexadecimal', '0x10', 4, '16'],
    ['octal', '010', 3, '8'],
    ['white space around it', ' \t77\n', 5, '77'],
    ['the largest', '2147483647', 10, '2147483647'],
    ['twenty zeros before it', `${'0'.repeat(19)}7`, 20, '7'],
    ['as many as might go on', '0'.repeat(21), -EINVAL, '7'],
    ['one more than the largest', '2147483648', -EINVAL, '7'],
    ['2^64 + 5', '18446744073709551621', -EINVAL, '7'],
    ['a plus sign', '+5', -EINVAL, '7'],
    ['a lone minus sign', '-', -EINVAL, '7'],
    ['minus nothing', '-0', 2, '0'],
    ['8 is no octal digit', '08', -EINVAL, '0'],
    ['0x alone', '0x', -EINVAL, '0'],
    ['a second number is not taken', '5 6', 2, '5'],
    ['nor is the text after it looked at', '6 x', 2, '6'],
  ])('%s', (_, text, result, now) => {
    expect(write(k, 'watermark_boost_factor', text)).toBe(result);
    expect(read(k, 'watermark_boost_factor')).toBe(now);
  });

  it('no such file', () => {
    expect(write(k, 'nosuch', '1')).toBe(-ENOENT);
    expect(proc_sys_read(k, 'sys/vm/nosuch')).toBeNull();
  });
});

it('the largest min_free_kbytes is shared between zones exactly, beyond 2^53', () => {
  const { kernel: k } = boot();
  const [zone] = k.node_data[1]!.node_zones.filter((z) => z.populated);
  // A zone of 64 TiB: the product with 2^29 pages has 63 bits.
  zone!.managed_pages = 2 ** 34 + 12345;
  expect(write(k, 'min_free_kbytes', '2147483647')).toBe(10);
  let managed = 0n;
  for (const pgdat of k.node_data) for (const { managed_pages } of pgdat!.node_zones) managed += BigInt(managed_pages);
  expect(zone!._watermark(WMARK_MIN)).toBe(Number((BigInt(2 ** 29 - 1) * BigInt(zone!.managed_pages)) / managed));
});

// What a kernel made of an SRAT and a SLIT: lines of its log, and of each online node the distances, CPUs and zones. Read
// from what the guest of tools/qemu-srat.mjs prints, and taken from a kernel of ours; then compared.

import { cpumask_of_node } from '../../kernel/arch/x86/numa.ts';
import { node_distance } from '../../kernel/arch/x86/numa_distance.ts';
import { zoneinfo_show } from '../../kernel/fs/proc/zoneinfo.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { bitmap_list, for_each_node_mask } from '../../kernel/lib/nodemask.ts';

export interface ZoneReport {
  readonly name: string;
  readonly start_pfn: number;
  readonly spanned: number;
  readonly present: number;
}

export interface NodeReport {
  readonly nid: number;
  /** As in /sys/devices/system/node/: to each online node, in order. */
  readonly distance: string;
  readonly cpulist: string;
  /** Those with memory. */
  readonly zones: readonly ZoneReport[];
}

export interface NumaReport {
  readonly log: readonly string[];
  readonly nodes: readonly NodeReport[];
}

/** What firmware told and what followed from it. Left out is what depends on where a kernel puts its own data. */
const ABOUT_NODES = [
  /^BIOS-e820: /,
  /^(ACPI: )?(SRAT|SLIT): /,
  /^NUMA: /,
  /^No NUMA configuration found/,
  /^Faking a node at /,
  /^Zone ranges:|^ {2}\w+ +(\[mem |empty)/,
  /^Movable zone start|^Early memory node ranges|^ {2}(Node|node +)\d+: /,
  /^Initmem setup node |^Initializing node /,
  /^On node \d+, zone /,
  /^Fallback order for Node /,
  /\bnr_node_ids:/,
];

export const linesAboutNodes = (lines: readonly string[]): string[] =>
  lines.filter((line) => ABOUT_NODES.some((pattern) => pattern.test(line)));

/** Zones with memory out of /proc/zoneinfo. */
export function readZoneinfo(text: string): (ZoneReport & { readonly nid: number })[] {
  return text.split(/^(?=Node \d+, zone )/m).flatMap((part) => {
    const head = /^Node (\d+), zone +(\w+)/.exec(part);
    const field = (pattern: RegExp): number => Number(pattern.exec(part)?.[1] ?? 0);
    const present = field(/^ +present +(\d+)$/m);
    if (head === null || present === 0) return [];
    const start_pfn = field(/^ +start_pfn: +(\d+)$/m);
    return [{ nid: Number(head[1]), name: head[2]!, start_pfn, spanned: field(/^ +spanned +(\d+)$/m), present }];
  });
}

/** The sections that the guest prints, each after a line `== NAME`; null if it did not get to the end. */
export function readSections(output: string): Map<string, string> | null {
  const sections = new Map<string, string>();
  for (const part of output.replaceAll('\r', '').split(/^== /m).slice(1)) {
    const end = part.indexOf('\n');
    sections.set(part.slice(0, end), part.slice(end + 1));
  }
  return sections.has('end') ? sections : null;
}

export function reportOfGuest(sections: ReadonlyMap<string, string>): NumaReport {
  const zones = readZoneinfo(sections.get('zoneinfo') ?? '');
  const nids = [...sections.keys()].flatMap((name) => /^node(\d+)$/.exec(name)?.slice(1).map(Number) ?? []);
  const nodes = nids
    .sort((a, b) => a - b)
    .map((nid) => {
      const [distance = '', cpulist = ''] = sections.get(`node${nid}`)!.split('\n');
      return { nid, distance, cpulist, zones: zones.filter((zone) => zone.nid === nid).map(withoutNode) };
    });
  return { log: linesAboutNodes((sections.get('dmesg') ?? '').split('\n')), nodes };
}

export function reportOfKernel(k: Kernel): NumaReport {
  const zones = readZoneinfo(zoneinfo_show(k));
  const online = [...for_each_node_mask(k.node_online_map)];
  const nodes = online.map((nid) => {
    const cpus = cpumask_of_node(k, nid).map((word, i) => word & k.cpus.cpu_online_mask[i]!);
    return {
      nid,
      distance: online.map((other) => node_distance(k, nid, other)).join(' '),
      cpulist: bitmap_list(cpus),
      zones: zones.filter((zone) => zone.nid === nid).map(withoutNode),
    };
  });
  return { log: linesAboutNodes(k.log.records.map(({ text }) => text)), nodes };
}

const withoutNode = ({ name, start_pfn, spanned, present }: ZoneReport): ZoneReport => ({
  name,
  start_pfn,
  spanned,
  present,
});

/** What one report has and the other has not, in the order of the first: `-` the real kernel's alone, `+` ours alone. */
export function differences(real: NumaReport, ours: NumaReport): string[] {
  const [there, here] = [linesOf(real), linesOf(ours)];
  // Equal lines may come more than once: each is matched once.
  const left = [...here];
  const missing = there.filter((line) => {
    const at = left.indexOf(line);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
  const found = [...missing.map((line) => `- ${line}`), ...left.map((line) => `+ ${line}`)];
  const swapped = there.findIndex((line, i) => line !== here[i]);
  return found.length === 0 && swapped >= 0 ? [`- ${there[swapped]}`, `+ ${here[swapped]} (order)`] : found;
}

/** A report as text: its log, then its nodes. */
export const linesOf = ({ log, nodes }: NumaReport): string[] => [...log, ...nodes.flatMap(nodeLines)];

const nodeLines = ({ nid, distance, cpulist, zones }: NodeReport): string[] => [
  `node${nid}: distance ${distance}, cpus ${cpulist || 'none'}`,
  ...zones.map(
    ({ name, start_pfn, spanned, present }) =>
      `node${nid}: zone ${name} start_pfn ${start_pfn} spanned ${spanned} present ${present}`,
  ),
];

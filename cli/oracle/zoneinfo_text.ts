// Reads /proc/zoneinfo as the recorder does: of each zone the watermarks, spans, protection, and each CPU's lists. The
// numbers of ours and of Linux's then pass through the same reading.

import type { ZoneInfo } from './boot_case.ts';

const NAMES = /^\s+(min|low|high|boost|spanned|present|managed|cma)\s+(\d+)$/;

export function parseZoneinfo(text: string): ZoneInfo[] {
  const zones: (Record<string, unknown> & { node: number; zone: string; pcp: Record<string, number>[] })[] = [];
  let in_pagesets = false;
  for (const line of text.split('\n')) {
    const head = /^Node (\d+), zone\s+(\w+)/.exec(line);
    if (head !== null) {
      zones.push({ node: Number(head[1]), zone: head[2]!, pcp: [] });
      in_pagesets = false;
      continue;
    }
    const zone = zones.at(-1);
    if (zone === undefined) continue;
    const number = NAMES.exec(line);
    if (number !== null && !(in_pagesets && number[1] === 'high')) zone[number[1]!] = Number(number[2]);
    const protection = /^\s+protection: \((.*)\)/.exec(line);
    if (protection !== null) zone['protection'] = protection[1]!.split(',').map(Number);
    if (line.trim() === 'pagesets') in_pagesets = true;
    const cpu = /^\s+cpu: (\d+)/.exec(line);
    if (cpu !== null) zone.pcp.push({ cpu: Number(cpu[1]) });
    const last = zone.pcp.at(-1);
    const list = /^\s+(high|batch):\s+(\d+)/.exec(line);
    if (list !== null && last !== undefined) last[list[1]!] = Number(list[2]);
    const threshold = /^\s+vm stats threshold: (\d+)/.exec(line);
    if (threshold !== null && last !== undefined) last['stat_threshold'] = Number(threshold[1]);
    const start = /^\s+start_pfn:\s+(\d+)/.exec(line);
    if (start !== null) zone['start_pfn'] = Number(start[1]);
  }
  return zones;
}

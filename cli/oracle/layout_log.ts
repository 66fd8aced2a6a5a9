// The memory layout as a boot log tells it, read from the lines that Linux prints.

import type { NodeSpan, Span, ZonePages } from './real_case.ts';

export interface LayoutLog {
  readonly last_pfn: readonly number[];
  readonly numa_lines: readonly string[];
  readonly zone_ranges: Readonly<Record<string, Span>>;
  readonly movable_start: Readonly<Record<string, number>>;
  readonly early_node_ranges: readonly NodeSpan[];
  /** By node. */
  readonly initmem: readonly NodeSpan[];
  readonly unavailable: readonly ZonePages[];
  readonly fallback: Readonly<Record<string, readonly number[]>>;
  readonly zonelists: number | null;
  readonly mobility: string | null;
  readonly total_pages: number | null;
  readonly policy_zone: string | null;
}

const RANGE = /\[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\]/;
const span = (line: string): Span => {
  const match = RANGE.exec(line);
  return match === null ? null : [Number(match[1]), Number(match[2])];
};

export function parseLayoutLog(lines: readonly string[]): LayoutLog {
  const all = (pattern: RegExp) => lines.flatMap((line) => pattern.exec(line) ?? []);
  const matches = (pattern: RegExp) => lines.map((line) => pattern.exec(line)).filter((match) => match !== null);
  const built = matches(/^Built (\d+) zonelists, mobility grouping (\w+)\. {2}Total pages: (\d+)/)[0];
  return {
    last_pfn: matches(/^last_pfn = (0x[0-9a-f]+) /).map((match) => Number(match[1])),
    numa_lines: all(/^(?:NUMA: Node \d+ \[|NUMA turned off|No NUMA configuration|Faking ).*$/),
    zone_ranges: Object.fromEntries(
      matches(/^ {2}(DMA|DMA32|Normal|Device) +(?:\[mem|empty)/).map((match) => [match[1]!, span(match.input)]),
    ),
    movable_start: Object.fromEntries(
      matches(/^ {2}Node (\d+): (0x[0-9a-f]+)/).map((match) => [match[1]!, Number(match[2])]),
    ),
    early_node_ranges: matches(/^ {2}node +(\d+): \[mem/).map((match) => ({
      node: Number(match[1]),
      span: span(match.input),
    })),
    initmem: matches(/^Initmem setup node (\d+) (?:\[mem|as memoryless)/)
      .map((match) => ({ node: Number(match[1]), span: span(match.input) }))
      .sort((a, b) => a.node - b.node),
    unavailable: matches(/^On node (\d+), zone (\w+): (\d+) pages in unavailable ranges/).map((match) => ({
      node: Number(match[1]),
      zone: match[2]!,
      pages: Number(match[3]),
    })),
    fallback: Object.fromEntries(
      matches(/^Fallback order for Node (\d+): ([\d ]*)/).map((match) => [
        match[1]!,
        match[2]!
          .trim()
          .split(' ')
          .filter((word) => word !== '')
          .map(Number),
      ]),
    ),
    zonelists: built === undefined ? null : Number(built[1]),
    mobility: built?.[2] ?? null,
    total_pages: built === undefined ? null : Number(built[3]),
    policy_zone: matches(/^Policy zone: (\w+)/)[0]?.[1] ?? null,
  };
}

// `--at` and `--chart`: points and spans of a run's virtual time at which to look at it, and what was seen.

import { seconds_text } from '../kernel/workloads/chart.ts';
import type { Span } from '../kernel/workloads/samples.ts';
import { filesText } from './cat_option.ts';
import { UsageError } from './command.ts';
import { type Explanation, explanationData, explanationsText } from './explain.ts';

const NS_PER: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };

/** @returns nanoseconds; null: it is no time with a unit */
function parseTime(text: string): number | null {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ns|us|ms|s)$/.exec(text) ?? [];
  return number === undefined ? null : Math.round(Number(number) * NS_PER[unit!]!);
}

/**
 * @param texts such as "2s" or "150ms"
 * @returns nanoseconds, from the first to the last
 * @throws UsageError
 */
export function parseTimes(texts: readonly string[]): number[] {
  const problems: string[] = [];
  const times = texts.map((text) => {
    const time = parseTime(text);
    if (time === null) problems.push(`--at ${text}: a time with its unit is needed, such as 2s, 150ms or 20us`);
    return time ?? 0;
  });
  if (problems.length > 0) throw new UsageError(problems);
  return [...new Set(times)].sort((a, b) => a - b);
}

/**
 * @param text such as "40ms..60ms"
 * @throws UsageError
 */
export function parseSpan(text: string): Span {
  const [from_ns, to_ns, ...more] = text.split('..').map(parseTime);
  if (from_ns != null && to_ns != null && more.length === 0 && from_ns < to_ns) return { from_ns, to_ns };
  throw new UsageError([`--chart ${text}: two times with their units are needed, such as 40ms..60ms`]);
}

export interface Seen {
  readonly at_ns: number;
  readonly files: ReadonlyMap<string, string>;
  readonly explanations: readonly Explanation[];
}

export const seenText = ({ at_ns, files, explanations }: Seen): string =>
  [`after ${seconds_text(at_ns)} s of virtual time:\n`, explanationsText(explanations), filesText(files)]
    .filter((part) => part !== '')
    .join('\n');

export const seenData = ({ at_ns, files, explanations }: Seen): object => ({
  time_ns: at_ns,
  ...(files.size > 0 ? { files: Object.fromEntries(files) } : {}),
  ...(explanations.length > 0 ? { explained: explanations.map(explanationData) } : {}),
});

// `--at`: points in a run's virtual time at which to look at it, and what was seen.

import { filesText } from './cat_option.ts';
import { UsageError } from './command.ts';
import { type Explanation, explanationData, explanationsText } from './explain.ts';

const NS_PER: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };

/**
 * @param texts such as "2s" or "150ms"
 * @returns nanoseconds, from the first to the last
 * @throws UsageError
 */
export function parseTimes(texts: readonly string[]): number[] {
  const problems: string[] = [];
  const times = texts.map((text) => {
    const [, number, unit] = /^(\d+(?:\.\d+)?)(ns|us|ms|s)$/.exec(text) ?? [];
    if (number === undefined) problems.push(`--at ${text}: a time with its unit is needed, such as 2s, 150ms or 20us`);
    return Math.round(Number(number) * NS_PER[unit!]!);
  });
  if (problems.length > 0) throw new UsageError(problems);
  return [...new Set(times)].sort((a, b) => a - b);
}

/** Whole milliseconds, and further digits only if there are any. */
export const secondsText = (ns: number): string => (ns / 1e9).toFixed(9).replace(/0{1,6}$/, '');

export interface Seen {
  readonly at_ns: number;
  readonly files: ReadonlyMap<string, string>;
  readonly explanations: readonly Explanation[];
}

export const seenText = ({ at_ns, files, explanations }: Seen): string =>
  [`after ${secondsText(at_ns)} s of virtual time:\n`, explanationsText(explanations), filesText(files)]
    .filter((part) => part !== '')
    .join('\n');

export const seenData = ({ at_ns, files, explanations }: Seen): object => ({
  time_ns: at_ns,
  ...(files.size > 0 ? { files: Object.fromEntries(files) } : {}),
  ...(explanations.length > 0 ? { explained: explanations.map(explanationData) } : {}),
});

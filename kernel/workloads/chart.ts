// A chart in text: the free pages of each zone against its watermarks over virtual time, with what kswapd and direct
// reclaim did meanwhile. Most of a zone's pages are of no interest here: what is above twice the high watermark is drawn on
// the top line.

import type { Sample, SampledZone, Sampler, Span } from './samples.ts';

const COLUMNS = 72;
const ROWS = 14;
const LABEL = 16;

const LEGEND = [
  '  *  from the fewest to the most in that time (. nobody looked)   b  watermarks boosted',
  '  #  kswapd at work all the time, + part of it                    !  tasks reclaim for themselves, on any node',
];

/** The samples of each column. A column that has none shows what the last one saw. */
type Cells = readonly (readonly Sample[])[];

function columns(samples: readonly Sample[], { from_ns, to_ns }: Span): Cells {
  const cells: Sample[][] = Array.from({ length: COLUMNS }, () => []);
  for (const sample of samples) {
    const at = Math.floor(((sample.time_ns - from_ns) / (to_ns - from_ns)) * COLUMNS);
    cells[Math.min(COLUMNS - 1, at)]!.push(sample);
  }
  return cells;
}

/**
 * One character a column. What a sample tells has been so since the one before, in columns without any too.
 * @param some where it is so in part of the column's samples only
 */
function strip(cells: Cells, mark: string, some: string, is: (sample: Sample) => boolean): string {
  let text = '';
  let next = ' ';
  for (const cell of cells.toReversed()) {
    if (cell.length > 0) next = cell.every(is) ? mark : cell.some(is) ? some : ' ';
    text = next + text;
    if (cell.length > 0) next = is(cell[0]!) ? mark : ' ';
  }
  return text;
}

const line = (label: string, text: string): string => `${label.padStart(LABEL)} |${text}`.trimEnd();

function zone_chart(zone: SampledZone, n: number, cells: Cells): string[] {
  // A zone that is too small for watermarks has none.
  const top = Math.max(ROWS, 2 * zone.high);
  const row_of = (pages: number): number => Math.min(ROWS, Math.floor((pages / top) * ROWS));
  const drawn: string[][] = Array.from({ length: ROWS + 1 }, () => new Array<string>(COLUMNS).fill(' '));
  const labels = new Array<string>(ROWS + 1).fill('');
  labels[ROWS] = `${top} and more`;
  labels[0] = '0';
  for (const mark of ['min', 'low', 'high'] as const) {
    const row = row_of(zone[mark]);
    labels[row] = `${mark} ${zone[mark]}`;
    drawn[row]!.fill('-');
  }
  let last = -1;
  cells.forEach((cell, column) => {
    let from = last;
    let to = last;
    for (const { free, lowest } of cell) {
      const low = row_of(lowest[n]!);
      const high = row_of(free[n]!);
      from = from < 0 || cell[0]!.free === free ? low : Math.min(from, low);
      to = to < 0 || cell[0]!.free === free ? high : Math.max(to, high);
      last = high;
    }
    for (let row = from; row >= 0 && row <= to; row++) drawn[row]![column] = cell.length > 0 ? '*' : '.';
  });
  return drawn.map((row, i) => line(labels[i]!, row.join(''))).reverse();
}

/** Whole milliseconds, and further digits only if there are any. */
export const seconds_text = (ns: number): string => (ns / 1e9).toFixed(9).replace(/0{1,6}$/, '');

export const seconds = (ns: number): string => (ns / 1e9).toFixed(3);

function time_axis({ from_ns }: Span, end: string): string {
  const start = from_ns === 0 ? '0' : seconds_text(from_ns);
  return `${' '.repeat(LABEL + 2)}${start}${end.padStart(COLUMNS - start.length)}`;
}

/** What goes on in and around a zone, below its free pages. */
function strips(zone: SampledZone, n: number, cells: Cells): string[] {
  const boosted = ({ boost }: Sample): boolean => boost[n]! > 0;
  const kswapd = strip(cells, '#', '+', ({ kswapd: awake }) => awake[zone.node] === true);
  const direct = strip(cells, '!', '!', ({ counts }) => counts.scan_direct + counts.allocstall > 0);
  return [
    ...(cells.some((cell) => cell.some(boosted)) ? [line('boosted', strip(cells, 'b', 'b', boosted))] : []),
    line(`kswapd${zone.node}`, kswapd),
    line('direct reclaim', direct),
  ];
}

interface Shown {
  readonly of: Span;
  /** Of the time axis. */
  readonly end: string;
  readonly title: string;
}

/** What is drawn: a span that was asked for, or the whole run. */
function shown({ span, start_ns }: Sampler, samples: readonly Sample[]): Shown {
  const sampled = `Free pages, sampled ${samples.length} times from`;
  if (span === null) {
    const to_ns = samples[samples.length - 1]?.time_ns ?? 0;
    return { of: { from_ns: 0, to_ns }, end: `${seconds(to_ns)} s`, title: `${sampled} ${seconds(start_ns)} s on.` };
  }
  const end = `${seconds_text(span.to_ns)} s`;
  return { of: span, end, title: `${sampled} ${seconds_text(span.from_ns)} s to ${end}.` };
}

/** All zones of all nodes; those that never came near their watermarks in a line. */
export function pressure_chart(sampler: Sampler): string {
  const samples = sampler.wanted();
  const { of, end, title } = shown(sampler, samples);
  if (of.to_ns === 0) return '';
  if (samples.length === 0) return `${title}\n`;
  const cells = columns(samples, of);
  const zones = sampler.zones.map((zone, n) => ({
    zone,
    n,
    lowest: Math.min(...samples.map((sample) => sample.lowest[n]!)),
  }));
  const is_drawn = ({ zone, lowest }: (typeof zones)[number]): boolean => lowest <= 2 * zone.high;
  const lines = [title, ...(zones.some(is_drawn) ? LEGEND : [])];
  for (const one of zones) {
    const { zone, n, lowest } = one;
    const kept = zone.protection > 0 ? `, ${zone.protection} held back for requests that need this zone` : '';
    lines.push('', `Node ${zone.node}, zone ${zone.zone}: at least ${lowest} of ${zone.managed} pages free${kept}`);
    if (is_drawn(one)) lines.push(...zone_chart(zone, n, cells), ...strips(zone, n, cells), time_axis(of, end));
  }
  return `${lines.join('\n')}\n`;
}

// A chart in text: the free pages of each zone against its watermarks over virtual time, with what kswapd and direct
// reclaim did meanwhile. Most of a zone's pages are of no interest here: what is above twice the high watermark is drawn on
// the top line.

import type { Sample, SampledZone, Sampler } from './samples.ts';

const COLUMNS = 72;
const ROWS = 14;
const LABEL = 16;

/** The samples of each column. One that has none shows what the last one saw. */
function columns(samples: readonly Sample[], duration: number): readonly (readonly Sample[])[] {
  const cells: Sample[][] = Array.from({ length: COLUMNS }, () => []);
  for (const sample of samples) {
    cells[Math.min(COLUMNS - 1, Math.floor((sample.time_ns / duration) * COLUMNS))]!.push(sample);
  }
  return cells;
}

/** One character a column. */
const strip = (cells: readonly (readonly Sample[])[], mark: string, is: (sample: Sample) => boolean): string =>
  cells.map((cell) => (cell.some(is) ? mark : ' ')).join('');

const line = (label: string, text: string): string => `${label.padStart(LABEL)} |${text}`.trimEnd();

function zone_chart(zone: SampledZone, n: number, cells: readonly (readonly Sample[])[]): string[] {
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

function time_axis(duration: number): string {
  const end = `${(duration / 1e9).toFixed(3)} s`;
  return `${' '.repeat(LABEL + 2)}0${end.padStart(COLUMNS - 1)}`;
}

/** All zones of all nodes; those that never came near their watermarks in a line. */
export function pressure_chart({ zones, samples, start_ns }: Sampler): string {
  const end = samples[samples.length - 1];
  if (end === undefined || end.time_ns === 0) return '';
  const cells = columns(samples, end.time_ns);
  const lines = [`Free pages, sampled ${samples.length} times from ${(start_ns / 1e9).toFixed(3)} s on:`];
  for (const [n, zone] of zones.entries()) {
    const name = `Node ${zone.node}, zone ${zone.zone}`;
    const lowest = Math.min(...samples.map((sample) => sample.lowest[n]!));
    lines.push('', `${name}: at least ${lowest} of ${zone.managed} pages free`);
    if (lowest > 2 * zone.high) continue;
    lines.push(...zone_chart(zone, n, cells));
    if (samples.some(({ boost }) => boost[n]! > 0)) {
      lines.push(
        line(
          'boosted',
          strip(cells, 'b', ({ boost }) => boost[n]! > 0),
        ),
      );
    }
    lines.push(
      line(
        `kswapd${zone.node}`,
        strip(cells, '#', ({ kswapd }) => kswapd[zone.node] === true),
      ),
    );
    lines.push(
      line(
        'direct reclaim',
        strip(cells, '!', ({ counts }) => counts.scan_direct + counts.allocstall > 0),
      ),
    );
    lines.push(time_axis(end.time_ns));
  }
  return `${lines.join('\n')}\n`;
}

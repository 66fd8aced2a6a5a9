// A file that is read once from end to end, longer than memory; beside it a small one that is read again and again, and one
// that is written. The pages of the small one are to stay.

import { filemap_write_and_wait } from '../mm/filemap_io.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { msleep } from '../sched/timeout.ts';
import { made_progress } from '../sched/watchdog.ts';
import type { Workload } from './workload.ts';
import type { Actor, KnownFile } from './workload_run.ts';

const STREAM = 1.5;
const HOT = 1 / 8;
const LOG = 1 / 8;

export function* read_once(actor: Actor, known: KnownFile): Sleeping<void> {
  for (let page = 0; page < known.keys.length; page++) yield* actor.read_file(known, page);
}

/** Has all of the file, half of it mapped, in memory first, each page asked for twice; then looks at some of it all the time. */
function* working_set(actor: Actor, known: KnownFile, warm: () => void, goes_on: () => boolean): Sleeping<void> {
  const { run } = actor;
  const pages = known.keys.length;
  const mapped = yield* actor.map_file(known);
  for (let round = 0; round < 2; round++) yield* read_once(actor, known);
  warm();
  while (goes_on()) {
    for (let n = 0; n < pages >>> 3; n++) {
      const page = run.chance(pages);
      if (page < pages / 2) yield* actor.check(mapped, page);
      else yield* actor.read_file(known, page);
    }
    yield* msleep(run.k, 1);
  }
  actor.note = `${known.f.f_inode.i_mapping.nrpages} of its ${pages} pages are in memory`;
}

function* stream_once(actor: Actor, known: KnownFile, is_warm: () => boolean): Sleeping<void> {
  while (!is_warm()) {
    yield* msleep(actor.run.k, 1);
    // Whoever warms the other file answers for how long it takes.
    made_progress(actor.run.k);
  }
  yield* read_once(actor, known);
}

function* log(actor: Actor, known: KnownFile): Sleeping<void> {
  const { run } = actor;
  const pages = known.keys.length;
  const mapped = yield* actor.map_file(known);
  for (let page = 0; page < pages; page++) {
    if (run.chance(2) === 0) yield* actor.write_file(known, page);
    else yield* actor.write(mapped, page);
    if (page % 64 === 0) yield* msleep(run.k, 1);
  }
  const error = yield* filemap_write_and_wait(run.k, known.f.f_inode.i_mapping);
  actor.note = error === 0 ? 'all of it on the disk' : `fsync failed (${error})`;
  for (let page = 0; page < pages; page++) yield* actor.check(mapped, page);
}

export const stream: Workload = {
  name: 'stream',
  shows: 'a file longer than RAM is read once, beside a small one that is always in use and one that is written',
  files: STREAM + HOT + LOG,
  *start(run) {
    const { totalram_pages } = run.k.mm;
    const [once, hot, written] = [STREAM, HOT, LOG].map((share) => run.open(Math.floor(totalram_pages * share)));
    let warm = false;
    const warmed = (): void => {
      warm = true;
    };
    const reader: Actor = yield* run.start('stream', (actor) =>
      stream_once(actor, once!, () => warm || keeper.state !== 'running'),
    );
    const keeper: Actor = yield* run.start('hot', (actor) =>
      working_set(actor, hot!, warmed, () => reader.state === 'running'),
    );
    yield* run.start('log', (actor) => log(actor, written!));
  },
};

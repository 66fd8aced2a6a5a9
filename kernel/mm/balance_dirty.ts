// Who writes dirty pages of files, and who must wait for that (Linux: mm/page-writeback.c balance_dirty_pages();
// fs/fs-writeback.c wb_workfn(), wb_check_old_data_flush(), wb_check_background_flush()): a flusher writes what has been
// dirty for long, or when there is much of it; a task that makes pages dirty faster than they can be written sleeps.
//
// Differs from Linux: there is one flusher for all disks, and a task that must wait sleeps a fixed time, not one that is
// made from measured bandwidths.

import { NR_FILE_DIRTY, NR_WRITEBACK } from '../include/mmzone.ts';
import { HZ, TASK_UNINTERRUPTIBLE } from '../include/sched.ts';
import type { Kernel } from '../kernel.ts';
import { jiffies } from '../sched/clock.ts';
import { set_current_state } from '../sched/core.ts';
import { kthread_run } from '../sched/kthread.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import type { task_struct } from '../sched/task.ts';
import { io_schedule_timeout } from '../sched/timeout.ts';
import { wait_event, wait_event_timeout, wake_up_all } from '../sched/wait.ts';
import { trace_writeback_pages_written } from '../trace/events/writeback.ts';
import { write_cache_pages } from './filemap_io.ts';
import { global_dirty_limits } from './page_writeback.ts';
import { global_node_page_state } from './vmstat.ts';

/** dirty_writeback_interval, dirty_expire_interval. */
const WRITEBACK_INTERVAL = 5 * HZ;
const EXPIRE_INTERVAL = 30 * HZ;
/** MAX_WRITEBACK_PAGES: of one file at a time. */
const MAX_WRITEBACK_PAGES = 1024;
const PAUSE = HZ / 50;

/** All that is dirty is to be written. */
export function wakeup_flusher_threads(k: Kernel): void {
  k.filemap.flush_now = true;
  wake_up_all(k, k.filemap.flusher_wait);
}

/** Context: the task has made a page dirty and holds no locks. */
export function* balance_dirty_pages_ratelimited(k: Kernel): Sleeping<void> {
  for (;;) {
    const { background, thresh } = global_dirty_limits(k);
    const reclaimable = global_node_page_state(k, NR_FILE_DIRTY);
    const dirty = reclaimable + global_node_page_state(k, NR_WRITEBACK);
    if (reclaimable > background) wakeup_flusher_threads(k);
    if (dirty <= thresh || k.current.fatal_signal_pending) return;
    set_current_state(k, TASK_UNINTERRUPTIBLE);
    yield* io_schedule_timeout(k, PAUSE);
  }
}

const over_background = (k: Kernel): boolean =>
  global_node_page_state(k, NR_FILE_DIRTY) > global_dirty_limits(k).background;

/** Writes what is due. @returns how many pages that were */
function* wb_writeback(k: Kernel, all: boolean): Sleeping<number> {
  let written = 0;
  for (const mapping of k.filemap.dirty) {
    const for_background = !all && over_background(k);
    const for_kupdate = !all && !for_background && jiffies(k) - mapping.dirtied_when >= EXPIRE_INTERVAL;
    if (!all && !for_background && !for_kupdate) continue;
    const wbc = { nr_to_write: MAX_WRITEBACK_PAGES, sync: false, for_kupdate, for_background };
    written += yield* write_cache_pages(k, mapping, wbc);
  }
  return written;
}

/** Starts the flusher. */
export function flusher_init(k: Kernel): task_struct {
  const { filemap } = k;
  return kthread_run(k, 'kworker/u8:0', function* () {
    for (;;) {
      yield* wait_event(k, filemap.flusher_wait, () => filemap.dirty.size > 0);
      yield* wait_event_timeout(k, filemap.flusher_wait, () => filemap.flush_now, WRITEBACK_INTERVAL);
      const asked = filemap.flush_now;
      filemap.flush_now = false;
      let written = 0;
      for (;;) {
        const more = yield* wb_writeback(k, asked && !over_background(k));
        if (more === 0) break;
        written += more;
      }
      if (k.trace.on) trace_writeback_pages_written(k, written);
    }
  });
}

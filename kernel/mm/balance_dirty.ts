// Who writes dirty pages of files, and who must wait for that (Linux: mm/page-writeback.c balance_dirty_pages();
// fs/fs-writeback.c wb_workfn(), wb_check_old_data_flush(), wb_check_background_flush()): a flusher writes what has been
// dirty for long, or when there is much of it; a task that makes pages dirty faster than they can be written sleeps.
//
// Differs from Linux: there is one flusher for all disks and cgroups; of a cgroup's dirty pages those of whoever writes count,
// and not those of the file's owner; a task that must wait sleeps a fixed time, not one that is
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
import { wait_event_idle, wait_event_idle_timeout, wake_up_all } from '../sched/wait.ts';
import { type ctl_table, failed, proc_dointvec_minmax, proc_handler_minmax, type sysctl_result } from '../sysctl.ts';
import { trace_writeback_pages_written } from '../trace/events/writeback.ts';
import type { address_space } from './filemap.ts';
import { write_cache_pages } from './filemap_io.ts';
import { global_dirty_limits, memcg_dirty_limits } from './page_writeback.ts';
import { global_node_page_state } from './vmstat.ts';

/** An unsigned int of centiseconds in jiffies, as an int of milliseconds: what is negative by then is for ever. */
function centisecs_to_jiffies(interval: number): number {
  const ms = Math.imul(interval, 10);
  return ms < 0 ? Number.POSITIVE_INFINITY : Math.ceil((ms * HZ) / 1000);
}

/** MAX_WRITEBACK_PAGES: of one file at a time. */
const MAX_WRITEBACK_PAGES = 1024;
const PAUSE = HZ / 50;

/** All that is dirty is to be written. */
export function wakeup_flusher_threads(k: Kernel): void {
  if (k.filemap.dirty.size === 0) return;
  k.filemap.flush_now = true;
  wake_up_all(k, k.filemap.flusher_wait);
}

/** So many may not be dirty at all: CPUs have not told yet that they are clean. Linux: wb_stat_error(), WB_STAT_BATCH. */
function wb_stat_error({ cpus: { nr_cpu_ids } }: Kernel): number {
  return nr_cpu_ids * 8 * (1 + Math.floor(Math.log2(nr_cpu_ids)));
}

/** Whether the running task's memory cgroup has more dirty pages than it may. Linux: the dirty_throttle_control of a cgroup. */
function memcg_over_limit(k: Kernel): boolean {
  const { memcg } = k.current;
  if (memcg === null || memcg.parent === null || !k.memcg.on_dfl) return false;
  const { reclaimable, dirty, background, thresh } = memcg_dirty_limits(k, memcg);
  if (reclaimable > background) wakeup_flusher_threads(k);
  return dirty > thresh;
}

/** Context: the task has made a page dirty and holds no locks. */
export function* balance_dirty_pages_ratelimited(k: Kernel): Sleeping<void> {
  for (;;) {
    const { background, thresh } = global_dirty_limits(k);
    const reclaimable = global_node_page_state(k, NR_FILE_DIRTY);
    const dirty = reclaimable + global_node_page_state(k, NR_WRITEBACK);
    if (reclaimable > background) wakeup_flusher_threads(k);
    const over = memcg_over_limit(k) || dirty > Math.max(thresh, wb_stat_error(k));
    if (!over || k.current.fatal_signal_pending) return;
    set_current_state(k, TASK_UNINTERRUPTIBLE);
    yield* io_schedule_timeout(k, PAUSE);
  }
}

const over_background = (k: Kernel): boolean =>
  global_node_page_state(k, NR_FILE_DIRTY) > global_dirty_limits(k).background;

/** Nothing is for its age where nobody looks for that. */
function is_old(k: Kernel, { dirtied_when }: address_space): boolean {
  const { dirty_writeback_interval, dirty_expire_interval } = k.writeback;
  return dirty_writeback_interval !== 0 && jiffies(k) - dirtied_when >= centisecs_to_jiffies(dirty_expire_interval);
}

/** Writes what is due. @returns how many pages that were */
function* wb_writeback(k: Kernel, all: boolean): Sleeping<number> {
  let written = 0;
  for (const mapping of k.filemap.dirty) {
    const for_background = !all && over_background(k);
    const for_kupdate = !all && !for_background && is_old(k, mapping);
    if (!all && !for_background && !for_kupdate) continue;
    const wbc = { nr_to_write: MAX_WRITEBACK_PAGES, sync: false, for_kupdate, for_background };
    written += yield* write_cache_pages(k, mapping, wbc);
  }
  return written;
}

/** Until somebody asks, or it is time to look for what is old. */
function* until_flush(k: Kernel): Sleeping<void> {
  const { flusher_wait } = k.filemap;
  const interval = centisecs_to_jiffies(k.writeback.dirty_writeback_interval);
  const asked = (): boolean => k.filemap.flush_now;
  if (interval === 0 || interval === Number.POSITIVE_INFINITY) yield* wait_event_idle(k, flusher_wait, asked);
  else yield* wait_event_idle_timeout(k, flusher_wait, asked, interval);
}

/** Starts the flusher. */
export function flusher_init(k: Kernel): task_struct {
  const { filemap } = k;
  return kthread_run(k, 'kworker/u8:0', function* () {
    for (;;) {
      yield* wait_event_idle(k, filemap.flusher_wait, () => filemap.dirty.size > 0);
      yield* until_flush(k);
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

/** Another time than before counts from now on: all is written. */
function dirty_writeback_centisecs_handler(k: Kernel, table: ctl_table, buffer: string | null): sysctl_result {
  const old = k.writeback.dirty_writeback_interval;
  const { err, ...result } = proc_dointvec_minmax(k, table, buffer);
  if (err !== 0) return failed(err);
  const { dirty_writeback_interval } = k.writeback;
  if (buffer !== null && dirty_writeback_interval !== 0 && dirty_writeback_interval !== old) wakeup_flusher_threads(k);
  return result;
}

export const writeback_interval_table: readonly ctl_table[] = [
  {
    procname: 'dirty_writeback_centisecs',
    data: ({ writeback }) => [writeback.dirty_writeback_interval],
    store: ({ writeback }, _, value) => {
      writeback.dirty_writeback_interval = value;
    },
    proc_handler: dirty_writeback_centisecs_handler,
  },
  {
    procname: 'dirty_expire_centisecs',
    data: ({ writeback }) => [writeback.dirty_expire_interval],
    store: ({ writeback }, _, value) => {
      writeback.dirty_expire_interval = value;
    },
    min: 0,
    proc_handler: proc_handler_minmax,
  },
];

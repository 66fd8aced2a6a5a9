// Timers (Linux: kernel/time/timer.c, kernel/time/hrtimer.c): something is called when its time has come, on the CPU that
// asked for it.
//
// Differs from Linux: one heap for all CPUs, instead of a wheel for each; a timer's time is rounded up as the wheel would.

import { HZ, TICK_NSEC } from '../include/sched.ts';
import type { Kernel } from '../kernel.ts';
import { ktime_get } from './clock.ts';

/** Something that will happen. */
export interface timer_event {
  readonly time_ns: number;
  readonly seq: number;
  readonly cpu: number;
  /** In softirq context as a timer_list's, else in that of the interrupt. */
  readonly softirq: boolean;
  /** Nothing that happens by itself: without anything else it never comes. */
  readonly deferrable: boolean;
  /** null: it has been called off. */
  function: ((k: Kernel) => void) | null;
}

export const event_before = (a: timer_event, b: timer_event): boolean =>
  a.time_ns === b.time_ns ? a.seq < b.seq : a.time_ns < b.time_ns;

function add_event(
  k: Kernel,
  time_ns: number,
  kind: { softirq: boolean; deferrable: boolean },
  fn: (k: Kernel) => void,
): timer_event {
  const { sched } = k;
  const { softirq, deferrable } = kind;
  const event = { softirq, deferrable, time_ns, seq: ++sched.seq, cpu: k.percpu.cpu, function: fn };
  (kind.deferrable ? sched.deferrable_timers : sched.timers).push(event);
  if (sched.running !== null && time_ns < sched.stop_at) sched.stop_at = time_ns;
  return event;
}

/** A device's interrupt: `fn` is called at a point in virtual time, at once if that has passed. */
export const call_at = (k: Kernel, time_ns: number, fn: (k: Kernel) => void): timer_event =>
  add_event(k, Math.max(time_ns, k.sched.now), { softirq: false, deferrable: false }, fn);

/** The same for something that is no reason to wake up: if nothing else will ever happen, it does not either. */
export const defer_at = (k: Kernel, time_ns: number, fn: (k: Kernel) => void): timer_event =>
  add_event(k, Math.max(time_ns, k.sched.now), { softirq: false, deferrable: true }, fn);

export class timer_list {
  /** In jiffies. */
  expires = 0;
  readonly function: (k: Kernel) => void;
  /** TIMER_DEFERRABLE: is not what an idle machine wakes up for. */
  readonly deferrable: boolean;
  event: timer_event | null = null;

  constructor(fn: (k: Kernel) => void, deferrable = false) {
    this.function = fn;
    this.deferrable = deferrable;
  }
}

export const timer_pending = (timer: timer_list): boolean => timer.event !== null;

// The wheel's levels: each of LVL_SIZE buckets, eight times as coarse as the one before.
const LVL_SIZE = 64;
const LVL_DEPTH = 9;
const LVL_CLK_DIV = 8;

/** Linux: calc_wheel_index(). The jiffy at which a timer's bucket is emptied: never early, and late the further off it is. */
function bucket_expiry(now: number, expires: number): number {
  if (expires < now) return now;
  let gran = 1;
  for (let level = 1; level < LVL_DEPTH && expires - now >= (LVL_SIZE - 1) * gran; level++) gran *= LVL_CLK_DIV;
  return (Math.floor(expires / gran) + 1) * gran;
}

/** @returns whether it was pending */
export function del_timer(timer: timer_list): boolean {
  if (timer.event === null) return false;
  timer.event.function = null;
  timer.event = null;
  return true;
}

/** @param expires in jiffies. @returns whether it was pending already */
export function mod_timer(k: Kernel, timer: timer_list, expires: number): boolean {
  const pending = del_timer(timer);
  timer.expires = expires;
  const now = Math.floor(ktime_get(k) / TICK_NSEC);
  const { deferrable } = timer;
  timer.event = add_event(k, bucket_expiry(now, expires) * TICK_NSEC, { softirq: true, deferrable }, () => {
    timer.event = null;
    timer.function(k);
  });
  return pending;
}

export const msecs_to_jiffies = (ms: number): number => Math.ceil((ms * HZ) / 1000);

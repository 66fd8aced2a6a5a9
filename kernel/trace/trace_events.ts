// Events switched on and off, and their `format` files (Linux: kernel/trace/trace_events.c).
//
// Left out: filters, triggers, events of other subsystems, and those whose callers are not here.

import { KEY_TRACE } from '../include/static_keys.ts';
import { EINVAL } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { memparse } from '../lib/memparse.ts';
import { pr_warn } from '../lib/printk.ts';
import { layouts, print_fmt, type TraceEvent } from './event.ts';
import { compaction_events } from './events/compaction.ts';
import { kmem_events } from './events/kmem.ts';
import { migrate_events } from './events/migrate.ts';
import { oom_events } from './events/oom.ts';
import { vmscan_events } from './events/vmscan.ts';
import { writeback_events } from './events/writeback.ts';
import { RingBuffer } from './ring_buffer.ts';

/** In the order of their IDs. */
export const trace_events: readonly TraceEvent[] = [
  ...oom_events,
  ...vmscan_events,
  ...kmem_events,
  ...compaction_events,
  ...migrate_events,
  ...writeback_events,
];

/** trace_event=[subsystem:]event,... */
export function setup_trace_event(k: Kernel, value: string): number {
  k.trace.bootup_event_buf = value;
  return 1;
}

/** trace_buf_size=nn[KMG]. Differs from Linux: 256 MiB at most, as no one says how much there is. */
export function set_buf_size(k: Kernel, value: string): number {
  k.trace.trace_buf_size = Math.min(2 ** 28, Math.max(4096, Number(memparse(value).value)));
  return 1;
}

function matches({ system, name }: TraceEvent, spec: string): boolean {
  const colon = spec.indexOf(':');
  if (colon < 0) return spec === name || spec === system;
  const any = (text: string): boolean => text === '' || text === '*';
  const sub = spec.slice(0, colon);
  const event = spec.slice(colon + 1);
  return (any(sub) || sub === system) && (any(event) || event === name);
}

/**
 * Switches events on or off.
 * @param spec "vmscan", "kmem:mm_page_alloc", "mm_page_alloc", "kmem:*"
 * @returns 0, or -EINVAL where no event has that name
 */
export function ftrace_set_clr_event(k: Kernel, spec: string, set: boolean): number {
  const { trace } = k;
  const found = trace_events.filter((event) => matches(event, spec));
  for (const { number } of found) trace.enabled[number] = Number(set);
  if (set && found.length > 0) trace.buffer ??= new RingBuffer(trace.trace_buf_size);
  const on = trace_events.filter(({ number }) => trace.enabled[number] === 1);
  trace.on = on.some(({ system }) => system !== 'kmem');
  if (on.some(({ system }) => system === 'kmem')) k.page_alloc.static_keys |= KEY_TRACE;
  else k.page_alloc.static_keys &= ~KEY_TRACE;
  return found.length > 0 ? 0 : -EINVAL;
}

/** Linux: trace_init(), event_trace_enable(). */
export function trace_init(k: Kernel): void {
  for (const spec of k.trace.bootup_event_buf.split(',')) {
    if (spec === '') continue;
    if (ftrace_set_clr_event(k, spec, true) !== 0) pr_warn(k, `Failed to enable trace event: ${spec}`);
  }
}

/** Linux: f_show(). */
export function event_format(k: Kernel, event: TraceEvent): string {
  const line = (declaration: string, offset: number, size: number, signed: boolean): string =>
    `\tfield:${declaration};\toffset:${offset};\tsize:${size};\tsigned:${Number(signed)};\n`;
  let text = `name: ${event.name}\nID: ${event_id(k, event)}\nformat:\n`;
  text += line('unsigned short common_type', 0, 2, false);
  text += line('unsigned char common_flags', 2, 1, false);
  text += line('unsigned char common_preempt_count', 3, 1, false);
  text += line('int common_pid', 4, 4, true);
  text += '\n';
  let offset = 8;
  for (const [type, name] of event.fields) {
    const { size, signed } = layouts[type];
    const array = /^(char)(\[\d+\])$/.exec(type);
    // Arrays of bytes need no alignment.
    if (array === null) offset = Math.ceil(offset / size) * size;
    text += line(array === null ? `${type} ${name}` : `${array[1]} ${name}${array[2]}`, offset, size, signed);
    offset += size;
  }
  return `${text}\nprint fmt: ${print_fmt(event)}\n`;
}

export const event_id = (k: Kernel, { base, id }: TraceEvent): number => k.config.image.event_ids[base] + id;

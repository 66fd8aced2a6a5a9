// Events switched on and off, and their `format` files (Linux: kernel/trace/trace_events.c).
//
// Left out: filters, triggers, events of other subsystems.

import { KEY_TRACE } from '../include/static_keys.ts';
import { EINVAL } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { memparse } from '../lib/memparse.ts';
import { pr_warn } from '../lib/printk.ts';
import type { TraceEvent } from './event.ts';
import { kmem_events } from './events/kmem.ts';
import { vmscan_events } from './events/vmscan.ts';
import { RingBuffer } from './ring_buffer.ts';

/** All that there are, in the order of their IDs. */
export const trace_events: readonly TraceEvent[] = [...vmscan_events, ...kmem_events];

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
 * @param spec "kmem", "kmem:mm_page_alloc", "mm_page_alloc", "kmem:*"
 * @returns 0, or -EINVAL where no event has that name
 */
export function ftrace_set_clr_event(k: Kernel, spec: string, set: boolean): number {
  const { trace } = k;
  let found = -EINVAL;
  for (const event of trace_events) {
    if (!matches(event, spec)) continue;
    found = 0;
    if (set) trace.enabled.add(event);
    else trace.enabled.delete(event);
  }
  if (trace.enabled.size > 0) trace.buffer ??= new RingBuffer(trace.trace_buf_size);
  // The page allocator has paths that know of no events.
  if (kmem_events.some((event) => trace.enabled.has(event))) k.page_alloc.static_keys |= KEY_TRACE;
  else k.page_alloc.static_keys &= ~KEY_TRACE;
  return found;
}

/** Linux: trace_init(), event_trace_enable(). */
export function trace_init(k: Kernel): void {
  for (const spec of k.trace.bootup_event_buf.split(',')) {
    if (spec === '') continue;
    if (ftrace_set_clr_event(k, spec, true) !== 0) pr_warn(k, `Failed to enable trace event: ${spec}`);
  }
}

const size_of = { 'unsigned long': 8, 'unsigned int': 4, int: 4 } as const;

/** Linux: f_show(). */
export function event_format(k: Kernel, event: TraceEvent): string {
  const line = (type: string, name: string, offset: number, size: number, signed: boolean): string =>
    `\tfield:${type} ${name};\toffset:${offset};\tsize:${size};\tsigned:${Number(signed)};\n`;
  let text = `name: ${event.name}\nID: ${event_id(k, event)}\nformat:\n`;
  text += line('unsigned short', 'common_type', 0, 2, false);
  text += line('unsigned char', 'common_flags', 2, 1, false);
  text += line('unsigned char', 'common_preempt_count', 3, 1, false);
  text += line('int', 'common_pid', 4, 4, true);
  text += '\n';
  let offset = 8;
  for (const [type, name] of event.fields) {
    const size = size_of[type];
    offset = Math.ceil(offset / size) * size;
    text += line(type, name, offset, size, type === 'int');
    offset += size;
  }
  return `${text}\nprint fmt: ${event.print_fmt}\n`;
}

export const event_id = (k: Kernel, event: TraceEvent): number => k.config.image.kmem_event_id + event.id;

// What /sys/kernel/tracing shows (Linux: kernel/trace/trace.c, trace_output.c): the events as text, and the files that
// describe them.
//
// Left out: interrupt and preemption state (the column of dots), as no interrupt comes here; lines that say where a CPU's
// buffer begins; other tracers, clocks and options.

import type { Kernel } from '../kernel.ts';
import { nodes_weight } from '../lib/nodemask.ts';
import { NR_TRACE_EVENTS, type TraceEvent } from './event.ts';
import { format_text } from './printf.ts';
import { trace_fields } from './record.ts';
import type { TraceRecord } from './ring_buffer.ts';
import { event_format, event_id, trace_events } from './trace_events.ts';

/** What a file holds. */
type Show = (k: Kernel) => string;

/** The two columns of a line that say when, for whom, and where; `<idle>` is every CPU's task 0. */
function print_context(k: Kernel, { pid, cpu, time_ns }: TraceRecord): string {
  const comm = pid === 0 ? '<idle>' : (k.trace.saved_cmdlines.get(pid) ?? '<...>');
  const us = Math.floor((time_ns + 500) / 1000);
  const seconds = String(Math.floor(us / 1e6)).padStart(5);
  const time = `${seconds}.${String(us % 1e6).padStart(6, '0')}`;
  return `${comm.padStart(16)}-${String(pid).padEnd(7)} [${String(cpu).padStart(3, '0')}] ..... ${time}: `;
}

const by_number: (TraceEvent | undefined)[] = Array.from({ length: NR_TRACE_EVENTS });
for (const event of trace_events) by_number[event.number] = event;

/** An event as text: "mm_page_free: page=ffffea0000047a00 pfn=0x11e8 order=0". */
export function print_event(k: Kernel, record: TraceRecord): string {
  const event = by_number[record.event]!;
  const fields = trace_fields(event, record);
  const values = event.args.map(({ value }) => value(fields, k));
  return `${event.name}: ${format_text(event.format, values)}`;
}

const lines = (k: Kernel): string =>
  [...(k.trace.buffer?.records() ?? [])].map((one) => `${print_context(k, one)}${print_event(k, one)}\n`).join('');

function trace_show(k: Kernel): string {
  const { buffer } = k.trace;
  const entries = `${buffer?.entries ?? 0}/${buffer?.written ?? 0}`;
  return `# tracer: nop
#
# entries-in-buffer/entries-written: ${entries}   #P:${nodes_weight(k.cpus.cpu_online_mask)}
#
#                                _-----=> irqs-off/BH-disabled
#                               / _----=> need-resched
#                              | / _---=> hardirq/softirq
#                              || / _--=> preempt-depth
#                              ||| / _-=> migrate-disable
#                              |||| /     delay
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
${lines(k)}`;
}

/** What was not read yet, which is then gone from the buffer. */
function trace_pipe_show(k: Kernel): string {
  const text = lines(k);
  k.trace.buffer?.consume();
  return text;
}

const is_on = (k: Kernel, event: TraceEvent): boolean => k.trace.enabled[event.number] === 1;

const names = (events: readonly TraceEvent[]): string =>
  events.map(({ system, name }) => `${system}:${name}\n`).join('');

/** Whether all of the events are on: 1, none: 0, some: X. */
function enable_show(k: Kernel, events: readonly TraceEvent[]): string {
  const on = events.filter((event) => is_on(k, event)).length;
  if (on === 0) return '0\n';
  return on === events.length ? '1\n' : 'X\n';
}

/** @param path below events/ */
function event_file(path: string): Show | null {
  const [, system = '', name = '', file = ''] = /^(?:(\w+)\/)?(?:(\w+)\/)?(\w+)$/.exec(path) ?? [];
  const events = trace_events.filter(
    (event) => (system === '' || event.system === system) && (name === '' || event.name === name),
  );
  const [event] = events;
  if (event === undefined) return null;
  if (file === 'enable') return (k) => enable_show(k, events);
  if (name === '') return null;
  if (file === 'format') return (k) => event_format(k, event);
  return file === 'id' ? (k) => `${event_id(k, event)}\n` : null;
}

const set_event_show = (k: Kernel): string => names(trace_events.filter((event) => is_on(k, event)));

const files: ReadonlyMap<string, Show> = new Map([
  ['trace', trace_show],
  ['trace_pipe', trace_pipe_show],
  ['available_events', () => names(trace_events)],
  ['set_event', set_event_show],
]);

const ROOT = '/sys/kernel/tracing/';

/** Those that are not an event's. */
export const tracefs_paths: readonly string[] = [...files.keys()].map((name) => ROOT + name);

/** How a file of tracefs is read; null: there is none at that path. */
export function tracefs_file(path: string): Show | null {
  if (!path.startsWith(ROOT)) return null;
  const name = path.slice(ROOT.length);
  return files.get(name) ?? (name.startsWith('events/') ? event_file(name.slice('events/'.length)) : null);
}

/**
 * Opens a file of tracefs and reads all of it.
 * @param path from the root, such as /sys/kernel/tracing/trace
 * @returns null: there is no such file
 */
export const tracefs_read = (k: Kernel, path: string): string | null => tracefs_file(path)?.(k) ?? null;

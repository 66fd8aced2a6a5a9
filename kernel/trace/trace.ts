// What /sys/kernel/tracing shows (Linux: kernel/trace/trace.c, trace_output.c): the events as text, and the files that
// describe them.
//
// Left out: interrupt and preemption state (the column of dots), as no interrupt comes here; lines that say where a CPU's
// buffer begins; other tracers, clocks and options.

import type { Kernel } from '../kernel.ts';
import { nodes_weight } from '../lib/nodemask.ts';
import type { TraceEvent } from './event.ts';
import type { TraceRecord } from './ring_buffer.ts';
import { event_format, event_id, trace_events } from './trace_events.ts';

/** The two columns of a line that say when, for whom, and where; `<idle>` is every CPU's task 0. */
function print_context(k: Kernel, { pid, cpu, time_ns }: TraceRecord): string {
  const comm = pid === 0 ? '<idle>' : (k.trace.saved_cmdlines.get(pid) ?? '<...>');
  const us = Math.floor((time_ns + 500) / 1000);
  const seconds = String(Math.floor(us / 1e6)).padStart(5);
  const time = `${seconds}.${String(us % 1e6).padStart(6, '0')}`;
  return `${comm.padStart(16)}-${String(pid).padEnd(7)} [${String(cpu).padStart(3, '0')}] ..... ${time}: `;
}

/** An event as text: "mm_page_free: page=ffffea0000047a00 pfn=0x11e8 order=0". */
export function print_event({ event, fields }: TraceRecord): string {
  const { name, print } = trace_events.find(({ id }) => id === event)!;
  return `${name}: ${print(fields)}`;
}

const lines = (k: Kernel): string =>
  [...(k.trace.buffer?.records() ?? [])].map((one) => `${print_context(k, one)}${print_event(one)}\n`).join('');

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

/** As available_events and set_event list them. */
const list = (events: readonly TraceEvent[]): string =>
  events.map(({ system, name }) => `${system}:${name}\n`).join('');

/**
 * Opens a file of tracefs and reads all of it.
 * @param path from the root, such as /sys/kernel/tracing/trace
 * @returns null: there is no such file
 */
export function tracefs_read(k: Kernel, path: string): string | null {
  const root = '/sys/kernel/tracing/';
  if (!path.startsWith(root)) return null;
  const name = path.slice(root.length);
  if (name === 'trace') return trace_show(k);
  if (name === 'trace_pipe') return trace_pipe_show(k);
  if (name === 'available_events') return list(trace_events);
  if (name === 'set_event') return list(trace_events.filter((event) => k.trace.enabled.has(event)));
  const [, system, event_name, file] = /^events\/(\w+)\/(\w+)\/(\w+)$/.exec(name) ?? [];
  const event = trace_events.find((one) => one.system === system && one.name === event_name);
  if (event === undefined) return null;
  if (file === 'format') return event_format(k, event);
  if (file === 'id') return `${event_id(k, event)}\n`;
  return file === 'enable' ? `${Number(k.trace.enabled.has(event))}\n` : null;
}

// What a tracepoint is made of (Linux: TRACE_EVENT()), and how one records an event.

import type { Kernel } from '../kernel.ts';

type FieldType = 'unsigned long' | 'unsigned int' | 'int';

export interface TraceEvent {
  readonly system: string;
  readonly name: string;
  /** Its ID, counted from that of the page allocator's first: one order for all kernels. */
  readonly id: number;
  readonly fields: readonly (readonly [type: FieldType, name: string])[];
  /** TP_printk() after the preprocessor, as a reader of binary traces gets it. */
  readonly print_fmt: string;
  /** TP_printk()'s text. */
  readonly print: (fields: readonly number[]) => string;
}

/** Appends a record if the event is on. Fields that it has not are 0. */
export function record(k: Kernel, event: TraceEvent, a: number, b = 0, c = 0, d = 0, e = 0, f = 0): void {
  const { trace } = k;
  if (!trace.enabled.has(event) || trace.buffer === null) return;
  const { pid, comm } = k.current;
  trace.saved_cmdlines.set(pid, comm);
  const at = trace.buffer.reserve(event.id, k.percpu.cpu, pid, k.log.now());
  trace.buffer.set(at, a);
  trace.buffer.set(at + 1, b);
  trace.buffer.set(at + 2, c);
  trace.buffer.set(at + 3, d);
  trace.buffer.set(at + 4, e);
  trace.buffer.set(at + 5, f);
}

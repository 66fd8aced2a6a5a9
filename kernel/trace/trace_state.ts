// What tracing keeps (Linux: kernel/trace/trace.c global_trace).

import type { task_struct } from '../sched/task.ts';
import { NR_TRACE_EVENTS } from './event.ts';
import type { Step } from './explain_step.ts';
import type { RingBuffer } from './ring_buffer.ts';

/** TRACE_BUF_SIZE_DEFAULT */
const DEFAULT_SIZE = 1441792;

export class TraceState {
  /** Whether any event is on but for kmem's, which have KEY_TRACE: what a tracepoint costs while none is. */
  on = false;
  /** By event: 1 while it is on. */
  readonly enabled = new Uint8Array(NR_TRACE_EVENTS);
  /** trace_event=: switched on once the allocator works. */
  bootup_event_buf = '';
  trace_buf_size = DEFAULT_SIZE;
  /** Made when the first event is switched on. */
  buffer: RingBuffer | null = null;
  /** Of the requests that are explained. */
  steps: Step[] = [];
  /** Whose requests those are; null: everybody's. */
  asking: task_struct | null = null;
  /** Names of tasks by pid, as of their last event. */
  readonly saved_cmdlines = new Map<number, string>();
  /** Names of functions by what stands for their address in records. */
  readonly symbols = new Map<number, string>();
}

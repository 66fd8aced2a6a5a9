// What tracing keeps (Linux: kernel/trace/trace.c global_trace).

import type { Step } from './explain_step.ts';
import type { RingBuffer } from './ring_buffer.ts';

/** TRACE_BUF_SIZE_DEFAULT */
const DEFAULT_SIZE = 1441792;

export class TraceState {
  /** A bit for each event that is on, by its number in the table. */
  enabled = 0;
  /** trace_event=: switched on once the allocator works. */
  bootup_event_buf = '';
  trace_buf_size = DEFAULT_SIZE;
  /** Made when the first event is switched on. */
  buffer: RingBuffer | null = null;
  /** Of the requests that are explained. */
  steps: Step[] = [];
  /** Names of tasks by pid, as of their last event. */
  readonly saved_cmdlines = new Map<number, string>();
}

// Where events are kept (Linux: kernel/trace/ring_buffer.c in overwrite mode): the latest of them, oldest first out.
//
// Differs from Linux: one buffer for all CPUs, as events of several cannot come at once here; records of one size, so that
// trace_buf_size= holds fewer of the small ones.

/** Words of a record: event, CPU, pid, time in nanoseconds (low, high), then the event's own fields. */
const RECORD_WORDS = 20;
const R_FIELDS = 5;

export interface TraceRecord {
  readonly event: number;
  readonly cpu: number;
  readonly pid: number;
  readonly time_ns: number;
  readonly fields: readonly number[];
}

export class RingBuffer {
  private readonly words: Int32Array;
  readonly capacity: number;
  /** Records ever written. */
  written = 0;
  /** Of these, how many a reader has taken: trace_pipe. */
  private consumed = 0;

  constructor(size_bytes: number) {
    this.capacity = Math.floor(size_bytes / (4 * RECORD_WORDS));
    this.words = new Int32Array(this.capacity * RECORD_WORDS);
  }

  /** Number of the oldest record that is still there. */
  private get first(): number {
    return Math.max(this.consumed, this.written - this.capacity);
  }

  get entries(): number {
    return this.written - this.first;
  }

  /** Room for one record more. @returns the index of its fields in `words`, for the caller to fill */
  reserve(event: number, cpu: number, pid: number, time_ns: number): number {
    const at = (this.written++ % this.capacity) * RECORD_WORDS;
    const w = this.words;
    w[at] = event;
    w[at + 1] = cpu;
    w[at + 2] = pid;
    w[at + 3] = time_ns | 0;
    w[at + 4] = Math.floor(time_ns / 2 ** 32);
    return at + R_FIELDS;
  }

  set(at: number, value: number): void {
    this.words[at] = value;
  }

  /** Oldest first. */
  *records(): Generator<TraceRecord> {
    for (let n = this.first; n < this.written; n++) {
      const at = (n % this.capacity) * RECORD_WORDS;
      const [event = 0, cpu = 0, pid = 0, lo = 0, hi = 0, ...fields] = this.words.subarray(at, at + RECORD_WORDS);
      yield { event, cpu, pid, time_ns: hi * 2 ** 32 + (lo >>> 0), fields };
    }
  }

  consume(): void {
    this.consumed = this.written;
  }
}

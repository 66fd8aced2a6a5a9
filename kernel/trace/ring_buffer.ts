// Where events are kept (Linux: kernel/trace/ring_buffer.c in overwrite mode): the latest of them, oldest first out.
//
// Differs from Linux: one buffer for all CPUs, as events of several cannot come at once here; each record is whole in it.

/** Words before an event's own: length of the record, event, CPU, pid, time in nanoseconds (low, high). */
const R_FIELDS = 6;
/** In place of a length: the next record is at the start of the buffer. */
const WRAPPED = -1;

export interface TraceRecord {
  readonly event: number;
  readonly cpu: number;
  readonly pid: number;
  readonly time_ns: number;
  /** Of the fields. */
  readonly words: Int32Array;
}

export class RingBuffer {
  readonly words: Int32Array;
  /** Records ever written. */
  written = 0;
  /** Records that are still there. */
  entries = 0;
  private head = 0;
  private tail = 0;

  constructor(size_bytes: number) {
    this.words = new Int32Array(Math.floor(size_bytes / 4));
  }

  private drop_oldest(): void {
    this.tail += this.words[this.tail]!;
    this.entries--;
    if (this.tail >= this.words.length || this.words[this.tail] === WRAPPED) this.tail = 0;
  }

  /** Room for one record more. @returns the index of its fields in `words`, for the caller to fill */
  reserve(event: number, nr_words: number, cpu: number, pid: number, time_ns: number): number {
    const { words } = this;
    const length = R_FIELDS + nr_words;
    if (this.entries === 0) this.head = this.tail = 0;
    if (this.head + length > words.length) {
      while (this.entries > 0 && this.tail >= this.head) this.drop_oldest();
      if (this.head < words.length) words[this.head] = WRAPPED;
      this.head = 0;
    }
    const at = this.head;
    while (this.entries > 0 && this.tail >= at && this.tail < at + length) this.drop_oldest();
    words[at] = length;
    words[at + 1] = event;
    words[at + 2] = cpu;
    words[at + 3] = pid;
    words[at + 4] = time_ns | 0;
    words[at + 5] = Math.floor(time_ns / 2 ** 32);
    if (this.entries === 0) this.tail = at;
    this.head += length;
    this.written++;
    this.entries++;
    return at + R_FIELDS;
  }

  /** Oldest first. */
  *records(): Generator<TraceRecord> {
    const { words } = this;
    let at = this.tail;
    for (let n = 0; n < this.entries; n++) {
      if (at >= words.length || words[at] === WRAPPED) at = 0;
      const [length = 0, event = 0, cpu = 0, pid = 0, lo = 0, hi = 0] = words.subarray(at, at + R_FIELDS);
      yield { event, cpu, pid, time_ns: hi * 2 ** 32 + (lo >>> 0), words: words.slice(at + R_FIELDS, at + length) };
      at += length;
    }
  }

  /** All is read. */
  consume(): void {
    this.entries = 0;
  }
}

// Events on their way into the buffer and out of it (Linux: trace_event_raw_event_*() and trace_raw_output_*() in
// include/trace/stages): fields as words, and words as fields.

import type { Kernel } from '../kernel.ts';
import { type Fields, type FieldValue, layouts, type TraceEvent } from './event.ts';
import type { TraceRecord } from './ring_buffer.ts';

/** Appends a record if the event is on. @param values of its fields, in order */
export function trace_record(k: Kernel, event: TraceEvent, ...values: readonly FieldValue[]): void {
  const { trace } = k;
  if (trace.enabled[event.number] === 0 || trace.buffer === null) return;
  const { pid, comm } = k.current;
  trace.saved_cmdlines.set(pid, comm);
  let at = trace.buffer.reserve(event.number, event.words, k.percpu.cpu, pid, k.log.now());
  const { words } = trace.buffer;
  for (let n = 0; n < values.length; n++) {
    const nr_words = event.widths[n]!;
    put(words, at, nr_words, values[n]!);
    at += nr_words;
  }
}

function put(words: Int32Array, at: number, nr_words: number, value: FieldValue): void {
  if (typeof value === 'string') {
    // The last byte is 0.
    const size = Math.min(value.length, 4 * nr_words - 1);
    words.fill(0, at, at + nr_words);
    for (let i = 0; i < size; i++) words[at + (i >>> 2)]! |= (value.charCodeAt(i) & 0xff) << (8 * (i & 3));
  } else if (typeof value === 'bigint') {
    words[at] = Number(BigInt.asIntN(32, value));
    if (nr_words === 2) words[at + 1] = Number(BigInt.asIntN(32, value >> 32n));
  } else {
    words[at] = value;
    if (nr_words === 2) words[at + 1] = Math.floor(value / 2 ** 32);
  }
}

function text(words: Int32Array): string {
  let out = '';
  for (let i = 0; i < 4 * words.length; i++) {
    const byte = (words[i >>> 2]! >>> (8 * (i & 3))) & 0xff;
    if (byte === 0) break;
    out += String.fromCharCode(byte);
  }
  return out;
}

function long(lo: number, hi: number, signed: boolean): number | bigint {
  const value = (signed ? hi : hi >>> 0) * 2 ** 32 + (lo >>> 0);
  if (Number.isSafeInteger(value)) return value;
  return (BigInt(signed ? hi : hi >>> 0) << 32n) | BigInt(lo >>> 0);
}

/** A record's fields by name. */
export function trace_fields({ fields }: TraceEvent, { words }: TraceRecord): Fields {
  const out: Record<string, FieldValue> = {};
  let at = 0;
  for (const [type, name] of fields) {
    const layout = layouts[type];
    const word = words[at]!;
    if ('text' in layout) out[name] = text(words.subarray(at, at + layout.words));
    else if (layout.words === 2) out[name] = long(word, words[at + 1]!, layout.signed);
    else out[name] = layout.signed ? word : word >>> 0;
    at += layout.words;
  }
  return out;
}

// What a tracepoint is (Linux: include/trace/trace_events.h and its stages): fields, the text's format, and for each
// conversion in it an expression over the fields: in C, for readers of binary traces, and as a function, for ours.

import type { Kernel } from '../kernel.ts';

/** In the order of their events' IDs. */
const systems = ['oom', 'vmscan', 'kmem', 'compaction', 'migrate', 'writeback'] as const;
export type TraceSystem = (typeof systems)[number];

/** Room for the numbers of a system's events. */
const SYSTEM_EVENTS = 32;
export const NR_TRACE_EVENTS = systems.length * SYSTEM_EVENTS;

/** 64-bit fields are bigints where a number would not hold them. */
export type FieldValue = number | bigint | string;
export type Fields = Readonly<Record<string, FieldValue>>;

interface TypeLayout {
  readonly size: number;
  readonly signed: boolean;
  /** What a record takes for it. */
  readonly words: number;
  readonly text?: true;
}

const number = (size: number, signed: boolean): TypeLayout => ({ size, signed, words: Math.ceil(size / 4) });

export const layouts = {
  'unsigned long': number(8, false),
  long: number(8, true),
  'unsigned long long': number(8, false),
  'struct shrinker *': number(8, false),
  'void *': number(8, false),
  ino_t: number(8, false),
  'unsigned int': number(4, false),
  int: number(4, true),
  pid_t: number(4, true),
  uid_t: number(4, false),
  'enum zone_type': number(4, false),
  'enum migrate_mode': number(4, false),
  short: number(2, true),
  bool: number(1, false),
  'char[16]': { size: 16, signed: true, words: 4, text: true },
  'char[32]': { size: 32, signed: true, words: 8, text: true },
  // Where the text is in the record. No task's name is longer than 16 bytes.
  '__data_loc char[]': { size: 4, signed: true, words: 4, text: true },
} as const satisfies Record<string, TypeLayout>;
export type FieldType = keyof typeof layouts;

export interface Argument {
  /** In C. REC is the record. */
  readonly expr: string;
  readonly value: (fields: Fields, k: Kernel) => FieldValue;
}

interface Definition {
  readonly name: string;
  readonly fields: readonly (readonly [type: FieldType, name: string])[];
  /** TP_printk()'s format. */
  readonly format: string;
  /** A name stands for the field itself. */
  readonly args: readonly (string | Argument)[];
  /** The ID, counted from the base that the kernel's image has for it. Each event of a system has another. */
  readonly id: number;
  /** Whose base that is, if not the system's. */
  readonly base?: 'writeback_folio';
}

export interface TraceEvent extends Omit<Definition, 'args' | 'base'> {
  readonly system: TraceSystem;
  readonly base: TraceSystem | 'writeback_folio';
  /** Of all events. */
  readonly number: number;
  readonly words: number;
  /** Words of each field. */
  readonly widths: readonly number[];
  readonly args: readonly Argument[];
}

const field = (name: string): Argument => ({ expr: `REC->${name}`, value: (fields) => fields[name]! });

export function define_event(system: TraceSystem, event: Definition): TraceEvent {
  const widths = event.fields.map(([type]) => layouts[type].words);
  return {
    base: system,
    ...event,
    system,
    number: systems.indexOf(system) * SYSTEM_EVENTS + event.id,
    words: widths.reduce((sum, words) => sum + words, 0),
    widths,
    args: event.args.map((arg) => (typeof arg === 'string' ? field(arg) : arg)),
  };
}

/** TP_printk() after the preprocessor. */
export const print_fmt = ({ format, args }: TraceEvent): string =>
  [`"${format}"`, ...args.map(({ expr }) => expr)].join(', ');

// Numbers that can be read and written as text while the kernel runs (Linux: kernel/sysctl.c proc_dointvec_minmax() and
// what it calls). The files are in their owners' tables: mm/watermark_sysctl.ts.
//
// Left out: types but int and long; writes that go on where one before ended, which Linux takes and ignores.

import { EINVAL } from './include/types.ts';
import type { Kernel } from './kernel.ts';
import { skip_spaces } from './lib/cmdline.ts';

/** One file of /proc/sys: a vector of ints. */
export interface ctl_table {
  readonly procname: string;
  /** 0o644 where left out. What may only be written, root cannot read either. */
  readonly mode?: 0o200;
  /** The ints that there are now. */
  readonly data: (k: Kernel) => readonly number[];
  readonly store: (k: Kernel, i: number, value: number) => void;
  /** extra1, extra2. */
  readonly min?: number;
  readonly max?: number;
  /** unsigned long, where it is not int (Linux: proc_doulongvec_minmax()). */
  readonly long?: true;
  readonly proc_handler: proc_handler;
}

/** @returns the text read, or for a write (`buffer` is not null) how many bytes were taken or -errno */
export interface sysctl_result {
  readonly text: string;
  readonly taken: number;
}
export type proc_handler = (k: Kernel, table: ctl_table, buffer: string | null) => sysctl_result;

const INT_MAX = 0x7fffffff;
const PAGE_BYTES = 4096;
/** proc_get_long() looks at one character less than this. */
const TMPBUFLEN = 22;

const taken = (bytes: number): sysctl_result => ({ text: '', taken: bytes });
export const failed = (err: number): sysctl_result => ({ text: '', taken: err });

/** Base 0 as in kstrtox.c; all digits that fit the base are taken. A double is enough to see what is too large. */
function leading_number(text: string): { value: number; length: number } | null {
  const found = /^(?:0x([0-9a-f]+)|(0[0-7]*)|([1-9][0-9]*))/i.exec(text);
  if (found === null) return null;
  const [whole, hex, octal, decimal] = found;
  const value = hex !== undefined ? parseInt(hex, 16) : octal !== undefined ? parseInt(octal, 8) : Number(decimal);
  return { value, length: whole.length };
}

/** The int at the head of `text`, which white space or nothing follows. Linux: proc_get_long() and the conversion. */
function get_int(text: string, limit: number): { value: number; rest: string } | null {
  const tmp = text.slice(0, TMPBUFLEN - 1);
  const negative = tmp[0] === '-' && text.length > 1;
  const number = leading_number(negative ? tmp.slice(1) : tmp);
  if (number === null) return null;
  const length = number.length + (negative ? 1 : 0);
  if (length === TMPBUFLEN - 1) return null;
  if (length < text.length && !' \t\n'.includes(text[length]!)) return null;
  if (number.value > limit + (negative ? 1 : 0)) return null;
  return { value: negative ? 0 - number.value : number.value, rest: text.slice(length) };
}

/** As get_int(), within the limits of the file. */
function limited_int(
  { long, min = -Infinity, max = Infinity }: ctl_table,
  text: string,
): { value: number; rest: string } | null {
  const found = get_int(text, long === true ? Number.MAX_SAFE_INTEGER : INT_MAX);
  return found === null || found.value < min || found.value > max ? null : found;
}

/** Whether a write of `text` begins with an int that the file may take, as far as its limits tell; some tell nothing. */
export const sysctl_may_take = (table: ctl_table, text: string): boolean =>
  (table.min === undefined && table.max === undefined) || limited_int(table, skip_spaces(text)) !== null;

/**
 * Reads all ints, or writes as many as the text has. A bad one ends the write; those before it stay written, and the
 * error counts only if there are none.
 */
export function proc_dointvec_minmax(
  k: Kernel,
  table: ctl_table,
  buffer: string | null,
): sysctl_result & { err: number } {
  const data = table.data(k);
  if (buffer === null) {
    const text = `${data.join('\t')}\n`;
    return { text, taken: text.length, err: 0 };
  }
  if (buffer === '') return { ...taken(0), err: 0 };
  let left = buffer.slice(0, PAGE_BYTES - 1);
  const size = left.length;
  let err = 0;
  let i = 0;
  for (; left !== '' && i < data.length; i++) {
    left = skip_spaces(left);
    if (left === '') break;
    const found = limited_int(table, left);
    if (found === null) {
      err = -EINVAL;
      break;
    }
    left = found.rest;
    table.store(k, i, found.value);
  }
  if (err === 0) left = skip_spaces(left);
  // Nothing was there at all: an error even where no character was bad, and the whole text counts as seen.
  if (i === 0) return { ...taken(buffer.length), err: err === 0 ? -EINVAL : err };
  return { ...taken(size - left.length), err };
}

/** For a file that nothing follows from. */
export const proc_handler_minmax: proc_handler = (k, table, buffer) => {
  const { err, ...result } = proc_dointvec_minmax(k, table, buffer);
  return err === 0 ? result : failed(err);
};

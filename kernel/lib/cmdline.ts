// Cutting the command line into arguments and arguments into values (Linux: lib/cmdline.c, kernel/params.c).
// A string stands for the rest of a C string: what a function takes off the front it leaves out of `rest`.

import { simple_strtoull } from './memparse.ts';

const isspace = (c: string): boolean => c === ' ' || (c >= '\t' && c <= '\r') || c === '\u00a0';

export function skip_spaces(text: string): string {
  let at = 0;
  while (at < text.length && isspace(text[at]!)) at++;
  return text.slice(at);
}

export interface Argument {
  readonly param: string;
  /** null: there is no `=`. */
  readonly val: string | null;
  readonly rest: string;
}

/**
 * next_arg(): the first argument of `args`. Double quotes keep spaces together, around the value or the whole; there
 * is no way to write a quote itself.
 */
export function next_arg(args: string): Argument {
  const quoted = args[0] === '"';
  const text = quoted ? args.slice(1) : args;
  let in_quote = quoted;
  let equals = 0;
  let end = 0;
  for (; end < text.length; end++) {
    const c = text[end]!;
    if (isspace(c) && !in_quote) break;
    if (equals === 0 && c === '=') equals = end;
    if (c === '"') in_quote = !in_quote;
  }
  const rest = skip_spaces(text.slice(end + 1));
  const arg = quoted && text[end - 1] === '"' ? text.slice(0, end - 1) : text.slice(0, end);
  if (equals === 0) return { param: arg, val: null, rest };
  let val = arg.slice(equals + 1);
  if (val[0] === '"') val = val.slice(1).replace(/"$/, '');
  return { param: arg.slice(0, equals), val, rest };
}

const dash2underscore = (text: string): string => text.replaceAll('-', '_');

/** Parameter names are the same if they differ in `-` and `_` only. */
export const parameq = (a: string, b: string): boolean => dash2underscore(a) === dash2underscore(b);
/** `a` begins with all of `b`, in the sense of parameq(). */
export const parameqn = (a: string, b: string): boolean => dash2underscore(a).startsWith(dash2underscore(b));

/** get_option()'s return values. */
export const OPTION_NONE = 0;
const OPTION_LAST = 1;
export const OPTION_COMMA = 2;
const OPTION_RANGE = 3;

/** get_option(): an int, perhaps negative, and a comma after it if there is one. */
export function get_option(text: string): { result: number; value: number; rest: string } {
  if (text === '') return { result: OPTION_NONE, value: 0, rest: text };
  const negative = text[0] === '-';
  const digits = negative ? text.slice(1) : text;
  const { value, rest } = simple_strtoull(digits);
  const int = Number(BigInt.asIntN(32, negative ? -value : value));
  if (rest === digits) return { result: OPTION_NONE, value: int, rest };
  if (rest[0] === ',') return { result: OPTION_COMMA, value: int, rest: rest.slice(1) };
  return { result: rest[0] === '-' ? OPTION_RANGE : OPTION_LAST, value: int, rest };
}

/** parse_option_str(): `option` is one of the comma-separated words of `text`. */
export const parse_option_str = (text: string, option: string): boolean => text.split(',').includes(option);

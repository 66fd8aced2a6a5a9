// The text forms of QEMU's option arguments: `first,key=value,flag` lists (util/qemu-option.c, util/keyval.c), sizes and
// numbers (util/cutils.c). A comma inside a value is written twice.

/** Errors and warnings of a whole command line, in order. QEMU stops at its first error; here all are told at once. */
export class Problems {
  readonly errors: string[] = [];
  readonly warnings: string[] = [];

  /** @param option the option as it was written, or null where QEMU does not name it */
  error(option: string | null, text: string): void {
    const line = option === null ? text : `${option}: ${text}`;
    if (!this.errors.includes(line)) this.errors.push(line);
  }

  warn(option: string | null, text: string): void {
    this.warnings.push(option === null ? text : `${option}: ${text}`);
  }
}

/** An option with its argument split up. Keys repeat where the option takes lists. */
export interface OptionList {
  /** As written: `-numa node,nodeid=0`. */
  readonly text: string;
  readonly pairs: readonly (readonly [key: string, value: string])[];
}

/** The last value given for `key`. */
export const lastValue = (list: OptionList, key: string): string | undefined =>
  list.pairs.findLast(([name]) => name === key)?.[1];

/**
 * Cuts at single commas; a doubled comma stands for one.
 * @param firstEndsAtComma the first part knows no doubled commas
 */
function splitCommas(argument: string, firstEndsAtComma: boolean): string[] {
  const parts: string[] = [];
  let part = '';
  for (let i = 0; i < argument.length; i++) {
    const doubled = argument[i + 1] === ',' && !(firstEndsAtComma && parts.length === 0);
    if (argument[i] === ',' && !doubled) {
      parts.push(part);
      part = '';
    } else part += argument[argument[i] === ',' ? ++i : i];
  }
  // A comma at the very end starts nothing.
  if (part !== '' || parts.length === 0) parts.push(part);
  return parts;
}

/**
 * Splits the argument of an option.
 * @param firstKey the key that a first part without `=` is the value of
 * @param strict keyval syntax: every other part needs a `=`; otherwise a bare word is a flag
 */
export function parseList(
  option: string,
  argument: string,
  firstKey: string,
  strict: boolean,
  problems: Problems,
): OptionList {
  const text = `${option} ${argument}`;
  const firstIsValue = /^[^=,]*(,|$)/.test(argument);
  const pairs: [string, string][] = [];
  for (const [i, part] of splitCommas(argument, strict && firstIsValue).entries()) {
    const equals = part.indexOf('=');
    if (i === 0 && firstIsValue) pairs.push([firstKey, part]);
    else if (equals > 0 || (equals === 0 && !strict)) pairs.push([part.slice(0, equals), part.slice(equals + 1)]);
    else if (strict) {
      const refusal = part === '' || equals === 0 ? "Invalid parameter ''" : `Expected '=' after parameter '${part}'`;
      problems.error(text, refusal);
    } else {
      const off = part.startsWith('no');
      const key = off ? part.slice(2) : part;
      const value = off ? 'off' : 'on';
      problems.warn(text, `short-form boolean option '${part}' deprecated\nPlease use ${key}=${value} instead`);
      pairs.push([key, value]);
    }
  }
  return { text, pairs };
}

const SUFFIXES = 'BKMGTPE';
const U64_LIMIT = 2n ** 64n;

/**
 * A size such as `4G`, `1.5G`, `512M` or `0x1000`.
 * @param unit suffix that a bare number has
 */
export function parseSize(text: string, unit: 'B' | 'M'): bigint | 'malformed' | 'too large' {
  const match = /^\s*\+?(?:(0[xX][0-9a-fA-F]+)|([0-9]+)(\.[0-9]*)?)([a-zA-Z]?)$/.exec(text);
  if (match === null) return 'malformed';
  const [, hex, whole, fraction, suffix] = match;
  const power = SUFFIXES.indexOf((suffix || unit).toUpperCase());
  // A fraction must say what it is a fraction of.
  if (power < 0 || (fraction !== undefined && !suffix)) return 'malformed';
  const factor = 1024n ** BigInt(power);
  let size = BigInt(hex ?? whole!) * factor;
  const digits = (fraction ?? '').slice(1);
  if (digits !== '') size += (BigInt(digits) * factor) / 10n ** BigInt(digits.length);
  return size < U64_LIMIT ? size : 'too large';
}

/** An unsigned 64-bit number in C's notations; null if it is none. */
export function parseUint64(text: string): bigint | null {
  if (!/^\s*\+?(0[xX][0-9a-fA-F]+|[0-9]+)$/.test(text)) return null;
  const plain = text.trim().replace('+', '');
  const octal = /^0[0-7]+$/.test(plain);
  if (/^0[0-9]+$/.test(plain) && !octal) return null;
  const value = BigInt(octal ? `0o${plain.slice(1)}` : plain);
  return value < U64_LIMIT ? value : null;
}

/** A signed number as QEMU's plain integers are written. */
export function parseInteger(text: string): bigint | null {
  const negative = /^\s*-/.test(text);
  const value = parseUint64(negative ? text.replace('-', '') : text);
  if (value === null || value > (negative ? 2n ** 63n : 2n ** 63n - 1n)) return null;
  return negative ? -value : value;
}

export const isIdentifier = (text: string): boolean => /^[A-Za-z][A-Za-z0-9\-._]*$/.test(text);

export const IDENTIFIER_REFUSAL =
  "Parameter 'id' expects an identifier\nIdentifiers consist of letters, digits, '-', '.', '_', starting with a letter.";

export const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

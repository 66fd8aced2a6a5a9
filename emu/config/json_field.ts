// Reads a JSON value with its types and limits checked. Each value knows the path that leads to it; a refusal goes to a
// list that all of them share, and the value then reads as zero or empty: whoever asked goes on and finds the next
// problem, and looks at the list before using anything.

import { hex, parseSize } from './option_text.ts';

const U64_MAX = 2n ** 64n - 1n;
/** Limits up to here are easier read in decimal. */
const DECIMAL_LIMIT = 0xffffn;
const QUOTED_LENGTH = 40;

export class JsonField {
  readonly path: string;
  readonly #value: unknown;
  readonly #problems: string[];

  constructor(value: unknown, path: string, problems: string[]) {
    this.#value = value;
    this.path = path;
    this.#problems = problems;
  }

  get present(): boolean {
    return this.#value !== undefined;
  }
  get isNull(): boolean {
    return this.#value === null;
  }
  get isText(): boolean {
    return typeof this.#value === 'string';
  }
  get isList(): boolean {
    return Array.isArray(this.#value);
  }
  get isObject(): boolean {
    return typeof this.#value === 'object' && this.#value !== null && !this.isList;
  }

  /** @returns false, so that a caller can answer with it */
  refuse(text: string): false {
    this.#problems.push(this.path === '' ? text : `${this.path}: ${text}`);
    return false;
  }

  expected(wanted: string): false {
    return this.refuse(this.present ? `expected ${wanted}, found ${quoted(this.#value)}` : `missing: ${wanted}`);
  }

  /** Its fields, those of an empty object if it is none. */
  keys(wanted = 'an object'): string[] {
    if (this.isObject) return Object.keys(this.#value as object);
    this.expected(wanted);
    return [];
  }

  /** An object with no other fields than these. */
  object(known: readonly string[]): boolean {
    if (!this.isObject) return this.expected(`an object with ${known.join(', ')}`);
    for (const key of this.keys()) {
      if (!known.includes(key)) this.member(key).refuse(`no such field, there are ${known.join(', ')}`);
    }
    return true;
  }

  /** Absent if this is no object or lacks the field. */
  member(key: string): JsonField {
    const own = this.isObject && Object.hasOwn(this.#value as object, key);
    const value = own ? (this.#value as Record<string, unknown>)[key] : undefined;
    const name = /^[\w-]+$/.test(key) ? key : JSON.stringify(key);
    return new JsonField(value, this.path === '' ? name : `${this.path}.${name}`, this.#problems);
  }

  items(limit: number, wanted = 'a list'): JsonField[] {
    if (!Array.isArray(this.#value)) {
      this.expected(wanted);
      return [];
    }
    if (this.#value.length > limit) {
      this.refuse(`${this.#value.length} entries are above the limit of ${limit}`);
      return [];
    }
    return this.#value.map((value, i) => new JsonField(value, `${this.path}[${i}]`, this.#problems));
  }

  text(wanted = 'a string'): string {
    if (typeof this.#value === 'string') return this.#value;
    this.expected(wanted);
    return '';
  }

  flag(): boolean {
    if (typeof this.#value === 'boolean') return this.#value;
    return this.present && this.expected('true or false');
  }

  /** A number, or a string: "0x1000", "4096", "4G". */
  uint(limit = U64_MAX): bigint {
    const value = this.#toUint();
    if (value === null) return 0n;
    if (value <= limit) return value;
    const [shown, most] = limit <= DECIMAL_LIMIT ? [value, limit] : [hex(value), hex(limit)];
    this.refuse(`${shown} is above the limit of ${most}`);
    return 0n;
  }

  number(limit: number): number {
    return Number(this.uint(BigInt(limit)));
  }

  #toUint(): bigint | null {
    const value = this.#value;
    if (typeof value === 'number' && Number.isInteger(value)) {
      if (value < 0) this.refuse(`${value} is below the limit of 0`);
      else if (!Number.isSafeInteger(value)) this.refuse(`${value} is not exact above 2^53, write it as a string`);
      else return BigInt(value);
      return null;
    }
    const parsed = typeof value === 'string' ? parseSize(value, 'B') : 'malformed';
    if (typeof parsed === 'bigint') return parsed;
    if (parsed === 'too large') this.refuse(`${quoted(value)} is above the limit of ${hex(U64_MAX)}`);
    else this.expected('a number such as 4096, "0x1000" or "4G"');
    return null;
  }
}

function quoted(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value);
  return text.length <= QUOTED_LENGTH ? text : `${text.slice(0, QUOTED_LENGTH)}...`;
}

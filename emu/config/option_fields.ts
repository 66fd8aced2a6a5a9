// Reads the fields of one option as QEMU's option visitor does (qapi/opts-visitor.c): each field has a type, what is
// missing or malformed is refused in QEMU's words, and what nobody asked for is refused at the end.

import { lastValue, type OptionList, type Problems, parseSize, parseUint64 } from './option_text.ts';

/** QEMU expands a range of a list to at most this many elements. */
const RANGE_LIMIT = 65536n;

/** One option's fields. Getters return undefined for what is absent or was refused; `failed` tells the two apart. */
export class Fields {
  readonly list: OptionList;
  failed = false;
  readonly #problems: Problems;
  readonly #known = new Set<string>();

  constructor(list: OptionList, problems: Problems) {
    this.list = list;
    this.#problems = problems;
  }

  refuse(text: string): undefined {
    this.failed = true;
    this.#problems.error(this.list.text, text);
  }

  text(key: string): string | undefined {
    this.#known.add(key);
    return lastValue(this.list, key);
  }

  required<T>(key: string, read: (key: string) => T | undefined): T | undefined {
    if (lastValue(this.list, key) !== undefined) return read.call(this, key);
    this.#known.add(key);
    this.refuse(`Parameter '${key}' is missing`);
    return undefined;
  }

  /** @param bits width of the field: 8, 16 or 64 */
  uint(key: string, bits: 8 | 16 | 64): bigint | undefined {
    const text = this.text(key);
    if (text === undefined) return undefined;
    const value = parseUint64(text);
    if (value === null) this.refuse(`Parameter '${key}' expects a uint64 value`);
    else if (value >> BigInt(bits) !== 0n) this.refuse(`Parameter '${key}' expects uint${bits}_t`);
    else return value;
    return undefined;
  }

  uint8(key: string): number | undefined {
    return toNumber(this.uint(key, 8));
  }

  uint16(key: string): number | undefined {
    return toNumber(this.uint(key, 16));
  }

  size(key: string): bigint | undefined {
    const text = this.text(key);
    if (text === undefined) return undefined;
    const size = parseSize(text, 'B');
    if (typeof size === 'bigint') return size;
    this.refuse(`Parameter '${key}' expects a size value`);
    return undefined;
  }

  flag(key: string): boolean | undefined {
    const text = this.text(key);
    if (text === undefined) return undefined;
    if (text === 'on' || text === 'off') return text === 'on';
    this.refuse(`Parameter '${key}' expects 'on' or 'off'`);
    return undefined;
  }

  /** @returns position among `names` */
  choice(key: string, names: readonly string[]): number | undefined {
    const text = this.text(key);
    if (text === undefined) return undefined;
    const at = names.indexOf(text);
    if (at >= 0) return at;
    this.refuse(`Parameter '${key}' does not accept value '${text}'`);
    return undefined;
  }

  /** A list of numbers and ranges, the key repeated: `cpus=0-1,cpus=4`. */
  uint16List(key: string): number[] {
    this.#known.add(key);
    const numbers: number[] = [];
    for (const [name, text] of this.list.pairs) {
      if (name !== key) continue;
      const dash = text.indexOf('-', 1);
      const first = parseUint64(dash < 0 ? text : text.slice(0, dash));
      const last = dash < 0 ? first : parseUint64(text.slice(dash + 1));
      if (first === null || last === null || last < first || last - first >= RANGE_LIMIT) {
        this.refuse(`Parameter '${key}' expects a uint64 value or range`);
      } else if (last > 0xffffn) this.refuse("Parameter 'null' expects uint16_t");
      else for (let n = Number(first); n <= Number(last); n++) numbers.push(n);
    }
    return numbers;
  }

  /** Refuses the fields that no getter asked for. */
  end(): void {
    for (const [key] of this.list.pairs) if (!this.#known.has(key)) this.refuse(`Invalid parameter '${key}'`);
  }
}

const toNumber = (value: bigint | undefined): number | undefined => (value === undefined ? undefined : Number(value));

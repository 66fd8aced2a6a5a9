// Reads JSON with its types and limits checked. What is wrong is noted with the field, the value and what is wanted, and
// reading goes on, so that all that is wrong with a file is told at once.

export const MAX_U8 = 0xffn;
export const MAX_U32 = 0xffffffffn;
export const MAX_U64 = 0xffffffffffffffffn;

const MULTIPLIERS: Readonly<Record<string, bigint>> = {
  K: 2n ** 10n,
  M: 2n ** 20n,
  G: 2n ** 30n,
  T: 2n ** 40n,
  P: 2n ** 50n,
  E: 2n ** 60n,
};

/** A value as it is shown in a complaint. */
function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** One value of the file and the path that leads to it, such as `srat.entries[2].pxm`. */
export class JsonField {
  readonly path: string;
  readonly value: unknown;
  readonly errors: string[];

  constructor(value: unknown, path: string, errors: string[]) {
    this.value = value;
    this.path = path;
    this.errors = errors;
  }

  get present(): boolean {
    return this.value !== undefined;
  }

  /** Notes a complaint. */
  wrong(text: string): undefined {
    this.errors.push(this.path === '' ? text : `${this.path}: ${text}`);
  }

  #wanted(what: string): undefined {
    return this.wrong(`found ${shown(this.value)}, wanted ${what}`);
  }

  /** Members by name; a member that is not among `names` is an error. Without an object, all members are absent. */
  members<Name extends string>(names: readonly Name[]): Record<Name, JsonField> {
    const isObject = typeof this.value === 'object' && this.value !== null && !Array.isArray(this.value);
    if (!isObject) this.#wanted(`an object with ${names.join(', ')}`);
    const object = (isObject ? this.value : {}) as Readonly<Record<string, unknown>>;
    const at = (name: string) =>
      new JsonField(object[name], this.path === '' ? name : `${this.path}.${name}`, this.errors);
    for (const name of Object.keys(object)) {
      if (!(names as readonly string[]).includes(name)) at(name).wrong(`no such field; there are ${names.join(', ')}`);
    }
    return Object.fromEntries(
      names.map((name) => [
        name,
        Object.hasOwn(object, name) ? at(name) : new JsonField(undefined, at(name).path, this.errors),
      ]),
    ) as Record<Name, JsonField>;
  }

  /** Members of an object whose names are data. */
  entries(what: string): (readonly [name: string, field: JsonField])[] {
    if (typeof this.value !== 'object' || this.value === null || Array.isArray(this.value)) {
      this.#wanted(what);
      return [];
    }
    return Object.entries(this.value).map(
      ([name, value]) => [name, new JsonField(value, `${this.path}.${name}`, this.errors)] as const,
    );
  }

  elements(what: string): JsonField[] {
    if (Array.isArray(this.value)) {
      return this.value.map((value, i) => new JsonField(value, `${this.path}[${i}]`, this.errors));
    }
    this.#wanted(what);
    return [];
  }

  /** A number, or a string such as "0x1000", "4096" or "4G", from `min` to `max`. */
  integer(max: bigint, min = 0n): bigint | undefined {
    const value = toInteger(this.value);
    if (value === null) return this.#wanted('a whole number, or a string such as "0x1000" or "4G"');
    if (value >= min && value <= max) return value;
    return this.wrong(`${shown(this.value)} is out of range, the limits are ${min} and ${max}`);
  }

  number(max: bigint, min = 0n): number | undefined {
    const value = this.integer(max, min);
    return value === undefined ? undefined : Number(value);
  }

  flag(): boolean | undefined {
    return typeof this.value === 'boolean' ? this.value : this.#wanted('true or false');
  }

  text(): string | undefined {
    return typeof this.value === 'string' ? this.value : this.#wanted('a string');
  }
}

function toInteger(value: unknown): bigint | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : null;
  if (typeof value !== 'string') return null;
  const match = /^(0x[0-9a-f]+|[0-9]+)([KMGTPE]?)$/i.exec(value);
  if (match === null) return null;
  // A hexadecimal E is a digit.
  return BigInt(match[1]!) * (MULTIPLIERS[match[2]!.toUpperCase()] ?? 1n);
}

// Reads a recorded case with its types checked: a file that is not what it claims to be is reported with the field, what
// was wanted there and what is there, instead of failing somewhere inside a comparison.

export class CaseError extends Error {
  override readonly name = 'CaseError';
}

const kindOf = (value: unknown): string => {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : JSON.stringify(value);
};

/** One value of a case with the path that leads to it. */
export class Field {
  readonly value: unknown;
  readonly path: string;

  constructor(value: unknown, path: string) {
    this.value = value;
    this.path = path;
  }

  private wrong(wanted: string): never {
    throw new CaseError(`${this.path}: wanted ${wanted}, found ${kindOf(this.value)}`);
  }

  get present(): boolean {
    return this.value !== undefined;
  }
  get isNull(): boolean {
    return this.value === null;
  }

  member(key: string): Field {
    return new Field(this.object()[key], this.path === '' ? key : `${this.path}.${key}`);
  }
  object(): Record<string, unknown> {
    if (typeof this.value !== 'object' || this.value === null || Array.isArray(this.value)) this.wrong('an object');
    return this.value as Record<string, unknown>;
  }
  keys(): string[] {
    return Object.keys(this.object());
  }
  array(): Field[] {
    if (!Array.isArray(this.value)) this.wrong('an array');
    return this.value.map((value, i) => new Field(value, `${this.path}[${i}]`));
  }
  string(): string {
    if (typeof this.value !== 'string') this.wrong('a string');
    return this.value;
  }
  number(): number {
    if (typeof this.value !== 'number' || !Number.isFinite(this.value)) this.wrong('a number');
    return this.value;
  }
  /** "0x..." below 2^53. */
  address(): number {
    const value = this.bigAddress();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.wrong('an address below 2^53');
    return Number(value);
  }
  /** "0x..." of up to 64 bits. */
  bigAddress(): bigint {
    if (typeof this.value !== 'string' || !/^0x[0-9a-f]{1,16}$/i.test(this.value))
      this.wrong('an address such as "0x1000"');
    return BigInt(this.value as string);
  }
  bytes(): Uint8Array {
    const text = this.string();
    if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(text)) this.wrong('bytes in base64');
    return new Uint8Array(Buffer.from(text, 'base64'));
  }
  /** What `read` makes of the value, or null where the key is absent. */
  optional<T>(read: (field: Field) => T): T | null {
    return this.present ? read(this) : null;
  }
}

// Little-endian bytes, put down one field after another.

export class Bytes {
  readonly #bytes: number[] = [];

  get length(): number {
    return this.#bytes.length;
  }

  u8(...values: readonly number[]): this {
    for (const value of values) this.#bytes.push(value & 0xff);
    return this;
  }

  u16(value: number): this {
    return this.u8(value, value >> 8);
  }

  u32(value: number): this {
    return this.u16(value & 0xffff).u16(value >>> 16);
  }

  u64(value: number | bigint): this {
    const whole = BigInt.asUintN(64, BigInt(value));
    return this.u32(Number(whole & 0xffffffffn)).u32(Number(whole >> 32n));
  }

  zeros(count: number): this {
    for (let i = 0; i < count; i++) this.#bytes.push(0);
    return this;
  }

  /** ASCII, cut or filled up with blanks to `size`. */
  text(text: string, size = text.length): this {
    for (let i = 0; i < size; i++) this.u8(i < text.length ? text.charCodeAt(i) : 0x20);
    return this;
  }

  bytes(bytes: Uint8Array): this {
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  take(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

// What a guest did that nobody handles, as an error that ends its run.

/** An exception, or an INT n, at the moment it happens. */
export interface GuestException {
  /** null: nothing that a CPU has a vector for, such as an address that no memory answers. */
  readonly vector: number | null;
  /** INT n: RIP is after the instruction. Otherwise RIP is at the instruction that faulted. */
  readonly software: boolean;
  /** 0 where the vector has none. */
  readonly errorCode: number;
  /** The address that could not be reached; where there is none, that of the instruction. */
  readonly address: bigint;
  readonly rip: bigint;
}

/** Intel SDM volume 3, 6.15. */
const vectorNames: Readonly<Record<number, string>> = {
  0: 'divide error',
  1: 'debug exception',
  3: 'breakpoint',
  4: 'overflow',
  5: 'bound range exceeded',
  6: 'invalid opcode',
  7: 'device not available',
  8: 'double fault',
  10: 'invalid TSS',
  11: 'segment not present',
  12: 'stack fault',
  13: 'general protection fault',
  14: 'page fault',
  16: 'x87 floating-point error',
  17: 'alignment check',
  19: 'SIMD floating-point exception',
};

const hex = (n: bigint | number) => `0x${n.toString(16)}`;

function describe({ vector, software, errorCode, address, rip }: GuestException, what?: string): string {
  if (vector === null) return `guest fault: ${what} at rip ${hex(rip)}`;
  if (software) return `guest fault: INT ${hex(vector)} that nobody handles, before rip ${hex(rip)}`;
  const name = vectorNames[vector] ?? 'exception';
  return `guest fault: ${name} (vector ${vector}) at rip ${hex(rip)}, address ${hex(address)}, error code ${hex(errorCode)}`;
}

export class GuestFault extends Error implements GuestException {
  override readonly name = 'GuestFault';
  readonly vector: number | null;
  readonly software: boolean;
  readonly errorCode: number;
  readonly address: bigint;
  readonly rip: bigint;

  /** @param what in words, where there is no vector */
  constructor(exception: GuestException, what?: string) {
    super(describe(exception, what));
    this.vector = exception.vector;
    this.software = exception.software;
    this.errorCode = exception.errorCode;
    this.address = exception.address;
    this.rip = exception.rip;
  }
}

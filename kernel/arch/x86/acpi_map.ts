// Firmware's tables as the early kernel sees them (Linux: drivers/acpi/osl.c acpi_os_map_memory(),
// mm/early_ioremap.c): a window of whole pages, 64 at most. Within it every byte can be read, whatever the table says
// of itself; outside it a read is a page fault, and so early that it ends the boot.

import { PAGE_SIZE } from '../../include/types.ts';
import type { Kernel } from '../../kernel.ts';
import { WARN_ON } from '../../lib/bug.ts';
import { bad_kernel_access } from './fault.ts';

const NR_FIX_BTMAPS = 64;
/** Virtual address of early_ioremap()'s first window, in Debian's build. */
const FIRST_SLOT = 0xffffffffff200000n;
const PAGE = BigInt(PAGE_SIZE);
const U64 = (1n << 64n) - 1n;
/** Nothing answers above this address: all ones, as from any address without a device. */
const END_OF_BUS = 2n ** 46n;

/** Bytes of physical memory behind a virtual address of Linux's fixmap. */
export class AcpiMapping {
  readonly address: bigint;
  private readonly k: Kernel;
  private readonly low: bigint;
  private readonly high: bigint;

  constructor(k: Kernel, address: bigint, size: bigint) {
    this.k = k;
    this.address = address;
    this.low = address - (address % PAGE);
    this.high = ((address + size - 1n) / PAGE + 1n) * PAGE;
  }

  u8(offset: number): number {
    const pa = this.address + BigInt(offset);
    if (pa < this.low || pa >= this.high) this.fault(offset);
    return pa >= END_OF_BUS ? 0xff : this.k.hw.ram.u8(Number(pa));
  }
  u16(offset: number): number {
    return this.u8(offset) | (this.u8(offset + 1) << 8);
  }
  u32(offset: number): number {
    return (this.u16(offset) | (this.u16(offset + 2) << 16)) >>> 0;
  }
  u64(offset: number): bigint {
    return (BigInt(this.u32(offset + 4)) << 32n) | BigInt(this.u32(offset));
  }
  bytes(offset: number, size: number): Uint8Array {
    return Uint8Array.from({ length: size }, (_, i) => this.u8(offset + i));
  }
  /** `size` bytes as characters, one each. */
  text(offset: number, size: number): string {
    return String.fromCharCode(...this.bytes(offset, size));
  }

  /** A read outside of the window. Tables whose entries are read are mapped one at a time, in the first slot. */
  private fault(offset: number): never {
    bad_kernel_access(this.k, FIRST_SLOT + this.address + BigInt(offset) - this.low);
  }
}

/** Maps [phys, phys + size), or null: nothing there, too much, or beyond the end of all addresses. */
export function acpi_os_map_memory(k: Kernel, phys: bigint, size: number): AcpiMapping | null {
  if (phys === 0n || size === 0) return null;
  const last = phys + BigInt(size) - 1n;
  if (WARN_ON(k, last > U64, 'mm/early_ioremap.c:126 __early_ioremap')) return null;
  const nrpages = last / PAGE - phys / PAGE + 1n;
  if (WARN_ON(k, nrpages > NR_FIX_BTMAPS, 'mm/early_ioremap.c:141 __early_ioremap')) return null;
  return new AcpiMapping(k, phys, BigInt(size));
}

// What the kernel knows of the machine it runs on: RAM, ports and a CPU, seen through these interfaces and never by
// import. Whoever composes a machine (cli/, tests) hands one in; emu/ happens to satisfy them.

import type { phys_addr_t } from '../../include/types.ts';

/** Chunks of RAM are 1 GiB on every back end, so that what must not straddle a chunk is placed the same on all. */
export const RAM_CHUNK_SHIFT = 30;

/**
 * The physical address space. Where nothing is mapped, reads give all ones and writes are lost, as on a PC's bus.
 * Little-endian throughout; addresses need no alignment except in words().
 */
export interface Ram {
  /**
   * The 32-bit words of chunk `n` (physical addresses n << 30 and up), live and never moved: hot code keeps them.
   * Words that no RAM backs exist in the array but are nobody's memory.
   */
  words(chunk: number): Int32Array;
  u8(pa: phys_addr_t): number;
  u16(pa: phys_addr_t): number;
  /** Unsigned. */
  u32(pa: phys_addr_t): number;
  /** As a number: exact below 2^53, the nearest double above. */
  u64(pa: phys_addr_t): number;
  big64(pa: phys_addr_t): bigint;
  set_u8(pa: phys_addr_t, value: number): void;
  set_u16(pa: phys_addr_t, value: number): void;
  set_u32(pa: phys_addr_t, value: number): void;
  set_u64(pa: phys_addr_t, value: number): void;
  set_big64(pa: phys_addr_t, value: bigint): void;
  /** A copy of `size` bytes. */
  read(pa: phys_addr_t, size: number): Uint8Array;
  /** The same, to `to` from `at` on. */
  copyOut(pa: phys_addr_t, to: Uint8Array, at: number, size: number): void;
  write(pa: phys_addr_t, bytes: Uint8Array): void;
  fill(pa: phys_addr_t, size: number, byte: number): void;
}

/** The I/O port space. A port that no device claims reads as all ones. */
export interface Ports {
  inb(port: number): number;
  inl(port: number): number;
  outb(port: number, value: number): void;
  outw(port: number, value: number): void;
  outl(port: number, value: number): void;
}

/** General registers of a guest call, by name; what is not given is 0. */
export interface GuestRegisters {
  readonly rax?: bigint;
  readonly rbx?: bigint;
  readonly rcx?: bigint;
  readonly rdx?: bigint;
  readonly rsi?: bigint;
  readonly rdi?: bigint;
}

/** The CPU, where the machine has one: it runs kernel code in ring 0, long mode, on page tables in RAM. */
export interface GuestCpu {
  /**
   * Runs guest code from virtual address `rip` on the tables at `cr3` until it executes HLT.
   * @returns RAX at the HLT
   * @throws GuestFault when the code faults, with vector, error code and address
   */
  call(code: { rip: bigint; rsp: bigint; cr3: phys_addr_t; registers?: GuestRegisters }): bigint;
}

/** All that start_kernel() is given: what a boot loader leaves in RSI, and the machine's busses. */
export interface Hw {
  readonly ram: Ram;
  readonly ports: Ports;
  /** Physical address of struct boot_params. */
  readonly boot_params: phys_addr_t;
  /** null: the machine was put together without a CPU (`--firmware none`). */
  readonly cpu: GuestCpu | null;
  /** CPUID 0x80000001 EDX bit 26: pages of 1 GiB. Absent: the CPU has none, as QEMU's default has none. */
  readonly gbpages?: boolean;
  /** CPUID 7 ECX bit 16: page tables of five levels. Absent: the CPU has four, as QEMU's default has. */
  readonly la57?: boolean;
}

// Memory that Unicorn and TypeScript share without copies: one region of virtual memory, mapped lazily by the host, so
// that 1 TiB costs nothing until touched.

import { EngineError } from '../engine.ts';
import { type Backing, Windows } from '../memory.ts';
import type { Koffi } from './binding.ts';

const GiB = 0x40000000;
/** The largest buffer that Node-API makes of memory that is there already. */
const WINDOW_SIZE = 4 * GiB;
/** Unicorn's x86 CPUs have 40 address bits; a page table entry beyond that faults. */
export const MAX_PHYSICAL_ADDRESS = 2 ** 40;

const PROT_READ_WRITE = 3;
const MAP_PRIVATE = 0x02;
const MADV_DONTNEED = 4;
/** MAP_ANONYMOUS and MAP_NORESERVE: the memory may be larger than the host's. */
const lazyMap: Readonly<Partial<Record<NodeJS.Platform, number>>> = { linux: 0x20 | 0x4000, darwin: 0x1000 | 0x40 };

export class SharedBacking implements Backing {
  readonly limit: number;
  /** Host address of physical address 0. */
  readonly base: bigint;
  readonly #koffi: Koffi;
  readonly #windows: Windows;

  /** @param end of the highest RAM or ROM */
  constructor(koffi: Koffi, end: number) {
    this.#koffi = koffi;
    this.limit = Math.ceil(end / GiB) * GiB;
    const flags = lazyMap[process.platform];
    if (flags === undefined) throw new EngineError(`the emulated CPU does not run on ${process.platform} yet`);
    const mmap = koffi
      .load(null)
      .func('void *mmap(void *at, size_t size, int prot, int flags, int fd, int64_t offset)');
    const at = mmap(null, this.limit, PROT_READ_WRITE, MAP_PRIVATE | flags, -1, 0) as unknown;
    this.base = at === null ? -1n : koffi.address(at);
    if (BigInt.asIntN(64, this.base) === -1n) {
      throw new EngineError(`the host gave no ${this.limit / GiB} GiB of address space (see ulimit -v)`);
    }
    this.#windows = new Windows(end, WINDOW_SIZE, (start, size) => koffi.view(this.base + BigInt(start), size));
  }

  chunk(n: number): Uint8Array {
    return this.#windows.chunk(n);
  }

  /** Gives the memory back to the host. The addresses stay mapped (on Linux as zeros): somebody may still hold a typed array. */
  release(): void {
    const madvise = this.#koffi.load(null).func('int madvise(void *at, size_t size, int advice)');
    madvise(this.base, this.limit, MADV_DONTNEED);
  }
}

// What files have to hold, while disks fail: of each page every version that may still come back. A version that is older
// than the last comes back only where a write has failed; then whoever syncs the file next must be told.

import type { gendisk } from '../../kernel/drivers/block/disk.ts';
import { PAGE_SIZE } from '../../kernel/include/types.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { file } from '../../kernel/mm/filemap.ts';
import { openFile } from '../../kernel/mm/filemap_io.ts';
import { check_page } from '../../kernel/workloads/contents.ts';

export class ModelFile {
  readonly f: file;
  readonly pages: number;
  /** By page: keys, the oldest first; 0: all zeroes. */
  readonly #versions: number[][];
  /** Pages that somebody is at: nobody else reads or writes them meanwhile, so that it is known what they hold. */
  readonly busy = new Set<number>();
  /** Older versions that came back, and errors that a sync has told of. */
  stale = 0;
  errors = 0;

  constructor(k: Kernel, disk: gendisk, first: number, pages: number) {
    this.f = openFile(k, disk, first * 8, pages * PAGE_SIZE);
    this.pages = pages;
    this.#versions = Array.from({ length: pages }, () => [0]);
  }

  wrote(page: number, key: number): void {
    this.#versions[page]!.push(key);
  }

  /** @returns what is wrong with these contents, or null */
  check(page: number, words: Int32Array, at: number): string | null {
    const versions = this.#versions[page]!;
    const version = versions.findLastIndex((key) => check_page(words, at, key) < 0);
    if (version < 0) return `page ${page} of a file holds what nobody wrote to it`;
    if (version < versions.length - 1) {
      this.stale++;
      versions.length = version + 1;
    }
    return null;
  }
}

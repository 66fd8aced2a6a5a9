// Pages that have been taken off their lists for a while (Linux: lists through page->lru that live on a stack).
//
// Differs from Linux: an array outside of the emulated RAM. Its end is the list's head.

import type { pfn_t } from '../include/types.ts';

export class IsolatedPages {
  pages = new Int32Array(64);
  nr = 0;

  /** list_add(): it comes first. */
  push(pfn: pfn_t): void {
    if (this.nr === this.pages.length) {
      const more = new Int32Array(2 * this.nr);
      more.set(this.pages);
      this.pages = more;
    }
    this.pages[this.nr++] = pfn;
  }

  /** Takes the first one. Context: there is one. */
  pop(): pfn_t {
    return this.pages[--this.nr]!;
  }

  /** list_splice_init(): all of `other`, in their order, come first. */
  take_all(other: IsolatedPages): void {
    for (let n = 0; n < other.nr; n++) this.push(other.pages[n]!);
    other.nr = 0;
  }

  /** The first one becomes the last. */
  reverse(): void {
    this.pages.subarray(0, this.nr).reverse();
  }
}

// What reclaim keeps of itself (Linux: mm/vmscan.c's globals).

import { type FolioBatch, IsolateState } from './isolate_lru.ts';
import type { shrinker } from './shrinker.ts';

export class VmscanState {
  /** vm.swappiness: what it costs to bring an anonymous page back, out of 200 for it and a page of a file together. */
  swappiness = 60;
  readonly shrinkers: shrinker[] = [];
  /** Ever registered. */
  nr_shrinkers = 0;
  readonly isolate = new IsolateState();
  /** Batches that nobody uses: take_batch(). */
  readonly batches: FolioBatch[] = [];
}

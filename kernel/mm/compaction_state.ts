// What compaction keeps of itself (Linux: mm/compaction.c's globals).

export class CompactionState {
  /** vm.extfrag_threshold: with a fragmentation index up to this, memory is short rather than in pieces. */
  sysctl_extfrag_threshold = 500;
}

export class MmState {
  /** `kernelcore=mirror` was given. */
  mirrored_kernelcore = false;
  /** `movable_node` was given. */
  movable_node_enabled = false;
}

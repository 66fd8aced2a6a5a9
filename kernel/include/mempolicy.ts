// Memory policies (Linux: include/uapi/linux/mempolicy.h).

export const MPOL_DEFAULT = 0;
export const MPOL_PREFERRED = 1;
export const MPOL_BIND = 2;
export const MPOL_INTERLEAVE = 3;
export const MPOL_LOCAL = 4;
export const MPOL_PREFERRED_MANY = 5;
export const MPOL_MAX = 6;

/** The nodes are those that were asked for, whatever the cpuset makes of them later. */
export const MPOL_F_STATIC_NODES = 1 << 15;
/** The nodes are counted among those that the cpuset allows. */
export const MPOL_F_RELATIVE_NODES = 1 << 14;
export const MPOL_F_NUMA_BALANCING = 1 << 13;
export const MPOL_MODE_FLAGS = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES | MPOL_F_NUMA_BALANCING;

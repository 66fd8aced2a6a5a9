// States and flags of tasks (Linux: include/linux/sched.h).

export const TASK_RUNNING = 0x0000;
export const TASK_INTERRUPTIBLE = 0x0001;
export const TASK_UNINTERRUPTIBLE = 0x0002;
export const TASK_PARKED = 0x0040;
export const TASK_DEAD = 0x0080;
export const TASK_WAKEKILL = 0x0100;
export const TASK_NOLOAD = 0x0400;
export const TASK_NEW = 0x0800;
/** May be woken to die. */
export const TASK_KILLABLE = TASK_WAKEKILL | TASK_UNINTERRUPTIBLE;
/** Does not count as waiting for anything. */
export const TASK_IDLE = TASK_UNINTERRUPTIBLE | TASK_NOLOAD;
/** What wake_up_process() wakes. */
export const TASK_NORMAL = TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE;

export const PF_IDLE = 0x00000002;
export const PF_EXITING = 0x00000004;
export const PF_DUMPCORE = 0x00000200;
export const PF_IO_WORKER = 0x00000010;
export const PF_SIGNALED = 0x00000400;
export const PF_MEMALLOC = 0x00000800;
export const PF_NOFREEZE = 0x00008000;
export const PF_KSWAPD = 0x00020000;
export const PF_MEMALLOC_NOFS = 0x00040000;
export const PF_MEMALLOC_NOIO = 0x00080000;
/** It writes for others: to let it wait for writeback would be to let it wait for itself. */
export const PF_LOCAL_THROTTLE = 0x00100000;
export const PF_KTHREAD = 0x00200000;
export const PF_NO_SETAFFINITY = 0x04000000;
export const PF_MEMALLOC_PIN = 0x10000000;
/** PF_MEMALLOC_NOIO, _NOFS and _PIN: those that take something away from what a task may ask for. */
export const PF_MEMALLOC_SCOPES = 0x100c0000;

/** Ticks a second, as Debian's kernel has them. */
export const HZ = 250;
export const MAX_SCHEDULE_TIMEOUT = Number.MAX_SAFE_INTEGER;
export const TICK_NSEC = 1e9 / HZ;

export const SIGKILL = 9;

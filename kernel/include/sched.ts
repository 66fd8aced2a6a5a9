// States of tasks (Linux: include/linux/sched.h).

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

/** Ticks a second, as Debian's kernel has them. */
export const HZ = 250;
export const MAX_SCHEDULE_TIMEOUT = Number.MAX_SAFE_INTEGER;
export const TICK_NSEC = 1e9 / HZ;

export const SIGKILL = 9;

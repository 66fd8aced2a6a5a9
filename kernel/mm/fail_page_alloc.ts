// Requests for pages that fail on purpose (Linux: mm/page_alloc.c should_fail_alloc_page(), fail_page_alloc=, and the files of
// /sys/kernel/debug/fail_page_alloc).
//
// Differs from Linux: the two kernels of config.ts are built without it; here it is always there, and off.

import { __GFP_DIRECT_RECLAIM, __GFP_HIGHMEM, __GFP_NOFAIL, __GFP_NOWARN } from '../include/gfp_types.ts';
import { KEY_FAIL_PAGE_ALLOC } from '../include/static_keys.ts';
import { EINVAL, ENOENT, ERANGE, type gfp_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { FAULT_NOWARN, fault_attr, setup_fault_attr, should_fail_ex } from '../lib/fault_inject.ts';
import { kstrtobool, memparse } from '../lib/memparse.ts';
import type { task_struct } from '../sched/task.ts';

export class FailPageAllocState {
  readonly attr = new fault_attr();
  ignore_gfp_reclaim = true;
  ignore_gfp_highmem = true;
  min_order = 1;
}

/** Requests come here as long as one may fail. */
function update_key(k: Kernel): void {
  if (k.fail_page_alloc.attr.probability > 0) k.page_alloc.static_keys |= KEY_FAIL_PAGE_ALLOC;
  else k.page_alloc.static_keys &= ~KEY_FAIL_PAGE_ALLOC;
}

/** __setup("fail_page_alloc="): "interval,probability,space,times". */
export function setup_fail_page_alloc(k: Kernel, value: string): number {
  const taken = setup_fault_attr(k, k.fail_page_alloc.attr, value);
  update_key(k);
  return taken;
}

/** late_initcall: from now on the attributes have files, and reports their name. */
export function fail_page_alloc_debugfs(k: Kernel): void {
  k.fail_page_alloc.attr.dname = 'fail_page_alloc';
}

/** /proc/PID/fail-nth: the n-th request of the task fails; 0: none. */
export function set_fail_nth(k: Kernel, task: task_struct, n: number): void {
  task.fail_nth = n;
  if (n > 0) k.page_alloc.static_keys |= KEY_FAIL_PAGE_ALLOC;
  else update_key(k);
}

export function should_fail_alloc_page(k: Kernel, gfp: gfp_t, order: number): boolean {
  const { attr, min_order, ignore_gfp_highmem, ignore_gfp_reclaim } = k.fail_page_alloc;
  if (order < min_order || (gfp & __GFP_NOFAIL) !== 0) return false;
  if (ignore_gfp_highmem && (gfp & __GFP_HIGHMEM) !== 0) return false;
  if (ignore_gfp_reclaim && (gfp & __GFP_DIRECT_RECLAIM) !== 0) return false;
  return should_fail_ex(k, attr, 1 << order, (gfp & __GFP_NOWARN) !== 0 ? FAULT_NOWARN : 0);
}

interface DebugFile {
  readonly get: (s: FailPageAllocState) => number | boolean;
  readonly set: (s: FailPageAllocState, value: number) => void;
  readonly type: 'ul' | 'u32' | 'atomic' | 'bool';
}

/** The files by their names, in the order in which they are made. */
const files: Readonly<Record<string, DebugFile>> = {
  probability: {
    get: ({ attr }) => attr.probability,
    set: ({ attr }, value) => {
      attr.probability = value;
    },
    type: 'ul',
  },
  interval: {
    get: ({ attr }) => attr.interval,
    set: ({ attr }, value) => {
      attr.interval = value;
    },
    type: 'ul',
  },
  times: {
    get: ({ attr }) => attr.times,
    set: ({ attr }, value) => {
      attr.times = value;
    },
    type: 'atomic',
  },
  space: {
    get: ({ attr }) => attr.space,
    set: ({ attr }, value) => {
      attr.space = value;
    },
    type: 'atomic',
  },
  verbose: {
    get: ({ attr }) => attr.verbose,
    set: ({ attr }, value) => {
      attr.verbose = value;
    },
    type: 'ul',
  },
  verbose_ratelimit_interval_ms: {
    get: ({ attr }) => attr.ratelimit.interval,
    set: ({ attr }, value) => {
      attr.ratelimit.interval = value;
    },
    type: 'u32',
  },
  verbose_ratelimit_burst: {
    get: ({ attr }) => attr.ratelimit.burst,
    set: ({ attr }, value) => {
      attr.ratelimit.burst = value;
    },
    type: 'u32',
  },
  'task-filter': {
    get: ({ attr }) => attr.task_filter,
    set: ({ attr }, value) => {
      attr.task_filter = value !== 0;
    },
    type: 'bool',
  },
  'ignore-gfp-wait': {
    get: (s) => s.ignore_gfp_reclaim,
    set: (s, value) => {
      s.ignore_gfp_reclaim = value !== 0;
    },
    type: 'bool',
  },
  'ignore-gfp-highmem': {
    get: (s) => s.ignore_gfp_highmem,
    set: (s, value) => {
      s.ignore_gfp_highmem = value !== 0;
    },
    type: 'bool',
  },
  'min-order': {
    get: (s) => s.min_order,
    set: (s, value) => {
      s.min_order = value;
    },
    type: 'u32',
  },
};

/** @returns null: there is no such file */
export function fail_page_alloc_read(k: Kernel, name: string): string | null {
  const value = files[name]?.get(k.fail_page_alloc);
  if (value === undefined) return null;
  return typeof value === 'boolean' ? (value ? 'Y\n' : 'N\n') : `${value}\n`;
}

/** The number that a file's text is; else why it is none. */
function parse(text: string, type: DebugFile['type']): number | 'EINVAL' | 'ERANGE' {
  const negative = type === 'atomic' && text[0] === '-';
  const digits = negative ? text.slice(1) : text;
  if (!/^(0x[0-9a-f]+|\d+)\n?$/i.test(digits)) return 'EINVAL';
  const value = memparse(digits.trim()).value;
  if (value > Number.MAX_SAFE_INTEGER) return 'ERANGE';
  if (type === 'u32') return value % 2 ** 32;
  return type === 'atomic' ? (negative ? -value : value) | 0 : value;
}

/** @returns bytes taken, or -errno */
export function fail_page_alloc_write(k: Kernel, name: string, text: string): number {
  const file = files[name];
  if (file === undefined) return -ENOENT;
  if (file.type === 'bool') {
    const on = kstrtobool(text);
    // What is no boolean is taken, and nothing comes of it.
    if (on !== null) file.set(k.fail_page_alloc, on ? 1 : 0);
    return text.length;
  }
  const value = parse(text, file.type);
  if (typeof value === 'string') return value === 'ERANGE' ? -ERANGE : -EINVAL;
  file.set(k.fail_page_alloc, value);
  update_key(k);
  return text.length;
}

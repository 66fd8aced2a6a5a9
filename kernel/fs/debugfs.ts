// Files of /sys/kernel/debug (Linux: the debugfs_create_file() of each).

import type { KernelConfig } from '../config.ts';
import type { Kernel } from '../kernel.ts';
import { read_page_owner } from '../mm/page_owner.ts';
import { extfrag_show, unusable_show } from './extfrag.ts';

const ROOT = '/sys/kernel/debug/';

interface debugfs_file {
  /** The kernel was built without the file where the switch is off. */
  readonly config?: keyof KernelConfig;
  readonly show: (k: Kernel) => string;
}

const files: ReadonlyMap<string, debugfs_file> = new Map<string, debugfs_file>([
  ['page_owner', { config: 'PAGE_OWNER', show: read_page_owner }],
  ['extfrag/extfrag_index', { show: extfrag_show }],
  ['extfrag/unusable_index', { show: unusable_show }],
]);

export const debugfs_paths: readonly string[] = [...files.keys()].map((name) => ROOT + name);

const file_at = (path: string): debugfs_file | undefined =>
  path.startsWith(ROOT) ? files.get(path.slice(ROOT.length)) : undefined;

/** The switch that a file needs; null: none, or there is no such file. */
export const debugfs_needs = (path: string): keyof KernelConfig | null => file_at(path)?.config ?? null;

/** @returns null: there is no such file */
export function debugfs_read(k: Kernel, path: string): string | null {
  const file = file_at(path);
  if (file === undefined || (file.config !== undefined && k.config[file.config] === false)) return null;
  return file.show(k);
}

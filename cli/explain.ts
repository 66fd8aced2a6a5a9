// `--explain GFP,order=N,node=N`: one request to a kernel that has booted, with every step that it took.

import type { Kernel } from '../kernel/kernel.ts';
import { KernelBug, KernelPanic } from '../kernel/lib/bug.ts';
import { __alloc_pages } from '../kernel/mm/page_alloc.ts';
import { explained, type Step } from '../kernel/trace/explain.ts';
import { UsageError } from './command.ts';
import { CaseError } from './oracle/fields.ts';
import { parseGfp } from './oracle/gfp_text.ts';

interface Request {
  readonly text: string;
  readonly gfp: number;
  readonly order: number;
  readonly node: number;
}

export interface Explanation {
  readonly request: string;
  readonly steps: readonly Step[];
  /** What the kernel did not survive of it. */
  readonly ended: KernelPanic | KernelBug | null;
}

/** @throws UsageError */
export function explainRequest(text: string): Request {
  const wrong = (what: string): never => {
    throw new UsageError([`--explain ${text}: ${what}, as in GFP_ATOMIC,order=3,node=0`]);
  };
  const [flags = '', ...settings] = text.split(',');
  const numbers = { order: 0, node: 0 };
  for (const setting of settings) {
    const [, name, value] =
      /^(order|node)=(\d{1,4})$/.exec(setting) ?? wrong(`'${setting}' is neither order=N nor node=N`);
    numbers[name as 'order' | 'node'] = Number(value);
  }
  try {
    return { text, gfp: parseGfp(flags), ...numbers };
  } catch (error) {
    if (error instanceof CaseError) return wrong(`'${flags}' is no expression of allocation flags`);
    throw error;
  }
}

/** Makes the request, and keeps the pages. What is wrong with it is added to `problems`. */
export function explainOne(k: Kernel, { text, gfp, order, node }: Request, problems: string[]): Explanation {
  if (k.node_data[node] === undefined) {
    problems.push(`--explain ${text}: there is no node ${node}`);
    return { request: text, steps: [], ended: null };
  }
  const { result: ended, steps } = explained(k, () => {
    try {
      __alloc_pages(k, gfp, order, node);
      return null;
    } catch (error) {
      if (error instanceof KernelPanic || error instanceof KernelBug) return error;
      throw error;
    }
  });
  return { request: text, steps, ended };
}

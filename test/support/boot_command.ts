// `pgdat boot` as a user runs it, without a CPU, and all that it says.

import { bootCommand } from '../../cli/boot.ts';
import { dispatch } from '../../cli/main.ts';
import { Captured } from './capture.ts';

export async function boot(...argv: string[]) {
  const output = new Captured();
  const code = await dispatch([bootCommand], ['boot', '--firmware', 'none', ...argv], output);
  return { code, out: output.stdout, err: output.stderr };
}

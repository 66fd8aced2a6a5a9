// `pgdat oracle`: recorded cases against ours, one line each.

import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../emu/engine.ts';
import type { FirmwareMode } from '../firmware/install.ts';
import { type Command, EXIT_FAILED, EXIT_OK, UsageError } from './command.ts';
import { LabError } from './lab.ts';
import { baseName, readCaseFile } from './oracle/case_file.ts';
import { CaseError } from './oracle/fields.ts';
import { checkCase } from './oracle/index.ts';
import { userPath } from './path.ts';

export const oracleCommand: Command = {
  spec: {
    name: 'oracle',
    operands: 'FILE...',
    summary: 'checks recorded cases: what Linux did, against what ours does',
    options: [
      {
        name: '--firmware',
        value: 'bios|none',
        choices: ['bios', 'none'],
        help: 'run the ROM on the emulated CPU, or leave in RAM what it would (none, the default)',
      },
      { name: '--json', value: null, choices: [], help: 'the results as data (docs/json.md)' },
    ],
    rest: 'operands',
    operand_count: [1, Number.POSITIVE_INFINITY],
    notes: [
      'Boot cases, allocation cases and real machines are told apart by what is in the file; it may be gzipped. A folder',
      'stands for the cases in it. An allocation case wants the boot case of its name, in ../boot or beside it.',
      'A failure is followed by the first difference. Exit code 1 if any case fails.',
    ],
  },
  run(values, operands, output) {
    const firmware = (values.get('--firmware') ?? 'none') as FirmwareMode;
    const files = operands.flatMap(filesOf);
    const missing = files.flatMap(unreadable);
    if (missing.length > 0) throw new UsageError(missing);
    const json = values.has('--json');
    const bases = files.map(baseName);
    const cases: { name: string; file: string; problem: string | null }[] = [];
    let failed = 0;
    for (const path of files) {
      const { name, problem } = check(path, firmware);
      if (problem !== null) failed++;
      if (json) {
        cases.push({ name, file: path, problem });
        continue;
      }
      // Where the name does not say which of the files it is, the file's path does.
      const base = baseName(path);
      const shared = files.length > 1 && (name !== base || bases.filter((one) => one === base).length > 1);
      const failing = shared ? `${name} (${path})` : name;
      output.out(problem === null ? `ok ${name}\n` : `not ok ${failing} - ${problem.replace(/\s*\n\s*/g, ' | ')}\n`);
    }
    const passed = files.length - failed;
    if (json) output.out(`${JSON.stringify({ cases, passed, failed }, null, 1)}\n`);
    else output.out(`${passed} passed, ${failed} failed\n`);
    return failed > 0 ? EXIT_FAILED : EXIT_OK;
  },
};

/** A line for a file that cannot be read, none for one that can. */
function unreadable(path: string): string[] {
  try {
    accessSync(userPath(path), constants.R_OK);
    return [];
  } catch (error) {
    return [`${path}: cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`];
  }
}

function filesOf(path: string): string[] {
  if (!statSync(userPath(path), { throwIfNoEntry: false })?.isDirectory()) return [path];
  const names = readdirSync(userPath(path)).filter((name) => /\.json(\.gz)?$/.test(name));
  if (names.length === 0) throw new UsageError([`${path}: no *.json or *.json.gz in this folder`]);
  return names.sort().map((name) => join(path, name));
}

/** Whatever goes wrong with one case is that case's result; the next one is tried all the same. */
function check(path: string, firmware: FirmwareMode): { name: string; problem: string | null } {
  let name = baseName(path);
  try {
    const file = readCaseFile(userPath(path));
    name = file.name;
    return { name, problem: checkCase(file, firmware) };
  } catch (error) {
    if (error instanceof EngineError || error instanceof LabError) throw error;
    const problem = error instanceof Error ? error.message : String(error);
    return { name, problem: error instanceof CaseError ? problem : `internal error: ${problem}` };
  }
}

// Parts of the pages in docs/ that are made from what was run, between marks: <!-- NAME --> and <!-- end of NAME -->.
//
// PGDAT_DOCS=write: puts what has changed into the page.

import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { bootCommand } from '../../cli/boot.ts';
import { dispatch } from '../../cli/main.ts';
import { Captured } from './capture.ts';

const writes = process.env['PGDAT_DOCS'] === 'write';

export interface DocParts {
  /** Commands that are names of parts, without `pgdat`, as the page has them now. */
  readonly commands: readonly string[];
  /** What stands between the two marks of that name. */
  readonly holds: (name: string, text: string) => void;
}

export function docParts(page: string): DocParts {
  const at = new URL(`../../docs/${page}`, import.meta.url);
  const read = (): string => readFileSync(at, 'utf8');
  return {
    commands: [...read().matchAll(/^<!-- pgdat (boot .*) -->$/gm)].map(([, command]) => command!),
    holds(name, text) {
      const [from, to] = [`<!-- ${name} -->\n`, `<!-- end of ${name} -->`];
      const now = read();
      const start = now.indexOf(from) + from.length;
      const end = now.indexOf(to);
      expect([name, now.includes(from), end >= start]).toEqual([name, true, true]);
      if (writes) writeFileSync(at, now.slice(0, start) + text + now.slice(end));
      else expect(now.slice(start, end)).toBe(text);
    },
  };
}

/** What a command of a page prints. As for a shell, '...' is one word. */
export async function printedBy(command: string): Promise<string> {
  const words = [...command.matchAll(/'([^']*)'|\S+/g)].map(([word, quoted]) => quoted ?? word);
  const output = new Captured();
  expect(await dispatch([bootCommand], words, output)).toBe(0);
  return output.stdout;
}

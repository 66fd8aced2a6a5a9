// Allocation flags as a recording writes them: a C expression of names, numbers, |, &, ~ and brackets.

import * as gfp from '../../kernel/include/gfp_types.ts';
import { CaseError } from './fields.ts';

const names = new Map<string, number>(
  Object.entries(gfp).flatMap(([name, value]) => (typeof value === 'number' ? [[name, value] as const] : [])),
);

export const gfpNames: readonly string[] = [...names.keys()];

/** @throws CaseError where the text is no such expression, or names a flag that does not exist */
export function parseGfp(text: string): number {
  const tokens = text.match(/\w+|[|&~()]|\S/g) ?? [];
  let at = 0;
  const wrong = (): never => {
    throw new CaseError(`gfp_kinds: '${text}' is not an expression of allocation flags: '${tokens[at] ?? 'its end'}'`);
  };

  const factor = (): number => {
    const token = tokens[at] ?? '';
    if (token === '~') {
      at++;
      return ~factor();
    }
    if (token === '(') {
      at++;
      const value = either();
      if (tokens[at] !== ')') wrong();
      at++;
      return value;
    }
    const value = /^(0x[0-9a-f]+|\d+)$/i.test(token) ? Number(token) : (names.get(token) ?? wrong());
    at++;
    return value;
  };
  const both = (): number => {
    let value = factor();
    while (tokens[at] === '&') {
      at++;
      value &= factor();
    }
    return value;
  };
  const either = (): number => {
    let value = both();
    while (tokens[at] === '|') {
      at++;
      value |= both();
    }
    return value;
  };

  const value = either();
  if (at < tokens.length) wrong();
  return value;
}

// Real machines' boot logs against our layout, where the recordings are there: ../shared/real-machines beside the
// checkout. They are not part of the project.

import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readCaseFile } from '../../../cli/oracle/case_file.ts';
import { checkCase } from '../../../cli/oracle/index.ts';

const folder = fileURLToPath(new URL('../../../../shared/real-machines/', import.meta.url));
const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];

describe.skipIf(names.length === 0)('real machines (skipped where ../shared/real-machines is absent)', () => {
  it.each(names.length === 0 ? ['none'] : names)('%s', (name) => {
    expect(checkCase(readCaseFile(folder + name), 'none')).toBeNull();
  });
});

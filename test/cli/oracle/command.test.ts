// `pgdat oracle`: one line a case whatever happens, a summary, the exit code.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { dispatch } from '../../../cli/main.ts';
import { oracleCommand } from '../../../cli/oracle.ts';
import { Captured } from '../../support/capture.ts';

const folder = mkdtempSync(join(tmpdir(), 'pgdat-oracle-'));
afterAll(() => rmSync(folder, { recursive: true }));

const good = fileURLToPath(new URL('../../golden/boot/uma-256m.json', import.meta.url));
function file(name: string, content: unknown, zip = false): string {
  const path = join(folder, name);
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  writeFileSync(path, zip ? gzipSync(text) : text);
  return path;
}
async function oracle(...operands: string[]) {
  const output = new Captured();
  const code = await dispatch([oracleCommand], ['oracle', ...operands], output);
  return { code, lines: output.stdout.trimEnd().split('\n'), err: output.stderr };
}
const damaged = () => {
  const value = JSON.parse(readFileSync(good, 'utf8'));
  value.expect.zoneinfo_after_boot[0].min = 1;
  return value;
};

describe('pgdat oracle', () => {
  it('a case that agrees is ok, gzipped or not', async () => {
    const { code, lines } = await oracle(good, file('zipped.json.gz', readFileSync(good, 'utf8'), true));
    expect(lines).toEqual(['ok uma-256m', 'ok uma-256m', '2 passed, 0 failed']);
    expect(code).toBe(0);
  });

  it('a case that does not is named with the first difference, and the others run', async () => {
    const { code, lines } = await oracle(file('bad.json', damaged()), good);
    expect(lines).toEqual([
      `not ok uma-256m (${join(folder, 'bad.json')}) - zoneinfo.0 DMA.min: expected 1, found 31`,
      'ok uma-256m',
      '1 passed, 1 failed',
    ]);
    expect(code).toBe(1);
  });

  it('--json is the same as data, and nothing else', async () => {
    const bad = file('bad-too.json', damaged());
    const { code, lines, err } = await oracle('--json', bad, good);
    expect(JSON.parse(lines.join('\n'))).toEqual({
      cases: [
        { name: 'uma-256m', file: bad, problem: 'zoneinfo.0 DMA.min: expected 1, found 31' },
        { name: 'uma-256m', file: good, problem: null },
      ],
      passed: 1,
      failed: 1,
    });
    expect([code, err]).toEqual([1, '']);
  });

  it.each<[string, string, unknown, string]>([
    [
      'a broken allocation case',
      'alloc.json.gz',
      { name: 'a', before: [], ops: [] },
      'not ok a - node: wanted a number, found nothing',
    ],
    ['not JSON', 'text.json', 'hello', 'not ok text - is not JSON, nor gzipped JSON:'],
    ['no case', 'other.json', {}, 'not ok other - is no case that is known'],
    [
      'a broken case',
      'half.json',
      { memblock_reserved_at_free: [], expect: {} },
      'not ok half - cmdline: wanted a string, found nothing',
    ],
    [
      'options that QEMU refuses',
      'qemu.json',
      { ...JSON.parse(readFileSync(good, 'utf8')), name: 'q', qemu: '-M pc -m 64X' },
      'not ok q - qemu: ',
    ],
  ])('%s', async (_name, name, content, line) => {
    const { code, lines } = await oracle(file(name, content));
    expect(lines[0]!.startsWith(line)).toBe(true);
    expect([lines.length, lines[1], code]).toEqual([2, '0 passed, 1 failed', 1]);
  });

  it('a failed case alone needs no path, nor one that is called as its file among others', async () => {
    const bad = file('uma-256m.json', damaged());
    expect((await oracle(bad)).lines[0]).toMatch(/^not ok uma-256m - /);
    expect((await oracle(bad, file('x.json', {}))).lines.map((line) => line.split(' - ')[0])).toEqual([
      'not ok uma-256m',
      'not ok x',
      '0 passed, 2 failed',
    ]);
    const lines = (await oracle(bad, good)).lines;
    expect(lines[0]).toContain(`not ok uma-256m (${bad}) - `);
    expect(lines[1]).toBe('ok uma-256m');
  });

  it('files that are not there: all of them, and no case is tried', async () => {
    const [one, two] = [join(folder, 'gone.json'), join(folder, 'lost.json')];
    const { code, lines, err } = await oracle(one, good, two);
    expect([code, lines]).toEqual([2, ['']]);
    expect(err).toBe(`pgdat oracle: ${one}: cannot be read (ENOENT)\npgdat oracle: ${two}: cannot be read (ENOENT)\n`);
  });

  it('a folder stands for its cases; one without any is refused', async () => {
    const empty = mkdtempSync(join(folder, 'empty-'));
    expect(await oracle(empty)).toMatchObject({
      code: 2,
      err: `pgdat oracle: ${empty}: no *.json or *.json.gz in this folder\n`,
    });
    writeFileSync(join(empty, 'one.json'), readFileSync(good));
    expect((await oracle(empty)).lines).toEqual(['ok uma-256m', '1 passed, 0 failed']);
  });
});

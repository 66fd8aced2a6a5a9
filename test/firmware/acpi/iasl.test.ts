// iasl (Debian's acpica-tools) reads every table of ours. For each: `iasl -d` decodes it and says nothing that is a
// warning, an error or a remark; and the source that it wrote compiles again, with 0 errors, 0
// warnings and 0 remarks, to the same bytes behind the header. Skipped with a message where iasl is not installed.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type MachineConfig, noOverrides } from '../../../emu/config/machine_config.ts';
import { parseQemuOptions, splitOptions } from '../../../emu/config/qemu_options.ts';
import { HEADER_SIZE } from '../../../firmware/acpi/header.ts';
import { acpiTables } from '../../../firmware/acpi/tables.ts';

const hasIasl = spawnSync('iasl', ['-v']).status === 0;
if (!hasIasl) console.log('iasl is not installed (Debian: acpica-tools): its tests are skipped');

const backends = '-object memory-backend-ram,id=m0,size=2G -object memory-backend-ram,id=m1,size=2G';
const nodes = '-numa node,memdev=m0,cpus=0-1 -numa node,memdev=m1,cpus=2-3';
const hmat =
  '-numa hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-latency,latency=5 ' +
  '-numa hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=access-latency,latency=10 ' +
  '-numa hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-bandwidth,bandwidth=500M ' +
  '-numa hmat-cache,node-id=0,size=10K,level=1,associativity=direct,policy=write-back,line=8';

const machines: readonly (readonly [name: string, options: string, changes?: Partial<MachineConfig>])[] = [
  ['pc, one node', '-m 1G'],
  [
    'pc, two nodes, distances, slots, HMAT',
    `-machine pc,hmat=on -m 4G,slots=2,maxmem=8G -smp 4 ${backends} ${nodes} -numa dist,src=0,dst=1,val=21 ${hmat}`,
  ],
  ['q35, two nodes, distances', `-M q35 -m 4G -smp 4 ${backends} ${nodes} -numa dist,src=0,dst=1,val=21`],
  ['q35, 288 CPUs, x2APIC', '-M q35 -m 1G,slots=1,maxmem=2G -smp 288'],
  ['pc, with an XSDT', '-m 1G', { xsdt: true }],
];

function tablesOf(options: string, changes: Partial<MachineConfig> = {}) {
  const parsed = parseQemuOptions(splitOptions(options));
  if ('errors' in parsed) throw new Error(parsed.errors.join('\n'));
  return acpiTables({ ...parsed.config, ...changes });
}

const rows = machines.flatMap(([machine, options, changes]) => {
  const { tables } = tablesOf(options, changes);
  return tables.map(({ name, bytes }) => ({ machine, name, bytes }));
});

describe.runIf(hasIasl)('iasl', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'pgdat-iasl-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each(rows)('$machine: $name', ({ name, bytes }) => {
    writeFileSync(join(folder, `${name}.dat`), bytes);
    const said = spawnSync('iasl', ['-p', 'decoded', '-d', `${name}.dat`], { cwd: folder, encoding: 'utf8' });
    expect(`${said.stdout}${said.stderr}`).not.toMatch(/warning|error|remark|invalid|unknown|incorrect/i);
    expect(readFileSync(join(folder, 'decoded.dsl'), 'utf8')).not.toMatch(/incorrect|invalid|unknown/i);
    const compiled = spawnSync('iasl', ['-p', 'again', 'decoded.dsl'], { cwd: folder, encoding: 'utf8' });
    const summary = /(\d+) Errors, (\d+) Warnings, (\d+) Remarks/.exec(`${compiled.stdout}${compiled.stderr}`);
    expect(summary?.slice(1), compiled.stderr).toEqual(['0', '0', '0']);
    // The FACS has no header of the common form; in the others iasl names itself as creator.
    const from = name === 'FACS' ? 0 : HEADER_SIZE;
    const hex = (table: Uint8Array) => Buffer.from(table).subarray(from).toString('hex');
    expect(hex(readFileSync(join(folder, 'again.aml')))).toBe(hex(bytes));
  });

  test('a table with a wrong checksum does not pass this test', () => {
    const { tables } = tablesOf('-m 1G,slots=1,maxmem=2G', { corrupt: { ...noOverrides.corrupt, checksum: ['SRAT'] } });
    writeFileSync(join(folder, 'bad.dat'), tables.find(({ name }) => name === 'SRAT')!.bytes);
    const said = spawnSync('iasl', ['-p', 'bad', '-d', 'bad.dat'], { cwd: folder, encoding: 'utf8' });
    const source = readFileSync(join(folder, 'bad.dsl'), 'utf8');
    expect(`${said.stdout}${said.stderr}${source}`).toMatch(/incorrect/i);
  });
});

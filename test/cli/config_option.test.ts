import { expect, test } from 'vitest';
import { UsageError } from '../../cli/command.ts';
import { parseConfigOption } from '../../cli/config_option.ts';
import { debian, recorder } from '../../kernel/config.ts';

test('a preset, and switches that differ from it', () => {
  expect(parseConfigOption('debian')).toEqual(debian);
  expect(parseConfigOption('recorder,DEBUG_VM=y,CONFIG_CMA=n')).toEqual({ ...recorder, DEBUG_VM: true, CMA: false });
});

test.each([
  ['fedora', '--config: no configuration "fedora"; there are debian, recorder'],
  ['debian,DEBUG_WM=y', '--config: no switch "DEBUG_WM" that is on or off; did you mean DEBUG_VM?'],
  ['debian,CMA=1', '--config: CMA is y or n, not "1"'],
  ['debian,CMA', '--config: CMA is y or n, not ""'],
])('%s is refused', (text, message) => {
  expect(() => parseConfigOption(text)).toThrow(new UsageError([message]));
});

test.each(['MEMCG', 'NR_CPUS'])('%s is no switch: those that are one are named', (name) => {
  expect(() => parseConfigOption(`debian,${name}=y`)).toThrow(
    new RegExp(
      `^--config: no switch "${name}" that is on or off; there are NUMA, NUMA_EMU, .*, INIT_ON_ALLOC_DEFAULT_ON$`,
    ),
  );
});

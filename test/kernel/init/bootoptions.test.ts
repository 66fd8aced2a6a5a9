import { expect, test } from 'vitest';
import { debian, type KernelConfig, recorder } from '../../../kernel/config.ts';
import { parse_boot_params, parse_early_param } from '../../../kernel/init/bootoptions.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { bootKernel, dmesg, pcMap } from '../../support/boot.ts';

function parsed(cmdline: string, config: KernelConfig = debian): Kernel {
  const k = bootKernel({ e820: pcMap(0x40000000), config });
  k.cmdline.boot_command_line = cmdline;
  parse_early_param(k);
  parse_boot_params(k);
  return k;
}

const UNKNOWN = (words: string) => `Unknown kernel command line parameters "${words}", will be passed to user space.`;

test.each([
  ['what nobody knows is named, words before settings', 'nokaslr foo=bar spam', [UNKNOWN('nokaslr spam foo=bar')]],
  ['known parameters are not', 'console=ttyS0 ro root=/dev/sda1 quiet movable_node', []],
  ['nor the boot loader', 'BOOT_IMAGE=/vmlinuz kexec', []],
  ['nor names with a dot, which are modules', 'printk.time=1 foo.bar', []],
  ['nor other names of sysctls', 'numa_zonelist_order=node', []],
  ['a prefix of a __setup name is enough', 'rootwait2', []],
  ['an early name must match whole', 'memx=1', [UNKNOWN('memx=1')]],
  ['a handler that refuses is reported', 'mem', ["Malformed early option 'mem'"]],
  ['dashes and underscores are one', 'movable-node', []],
  ['what follows -- is for the first process', 'quiet -- foo', []],
  ['the last of two settings of one name stays', 'a=1 a=2', [UNKNOWN('a=2')]],
])('%s', (_, cmdline, wanted) => {
  expect(dmesg(parsed(cmdline))).toEqual(wanted);
});

test('a parameter of a switch that is off is unknown', () => {
  expect(dmesg(parsed('cma=64M', debian))).toEqual([UNKNOWN('cma=64M')]);
  expect(dmesg(parsed('cma=64M', recorder))).toEqual([]);
});

test('words for the first process are kept in order', () => {
  const k = parsed('one TERM=dumb two -- three x=y');
  expect(k.cmdline.argv_init).toEqual(['init', 'one', 'two', 'three', 'x=y']);
  expect(k.cmdline.envp_init).toEqual(['HOME=/', 'TERM=dumb']);
});

test('more words than there is room for end the boot later', () => {
  const words = Array.from({ length: 40 }, (_, i) => `w${i}`).join(' ');
  expect(parsed(words).cmdline.panic_later).toEqual({ kind: 'init', param: 'w32' });
});

test.each([
  ['quiet', 4],
  ['debug', 10],
  ['loglevel=3', 3],
  ['loglevel=x', 7],
  ['ignore_loglevel', 15],
])('%s sets the console level to %i', (cmdline, level) => {
  expect(parsed(cmdline).log.console_loglevel).toBe(level);
});

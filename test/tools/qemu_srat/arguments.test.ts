import { expect, test } from 'vitest';
import { parseQemuOptions, splitOptions } from '../../../emu/config/qemu_options.ts';
import { machineArguments } from '../../../tools/qemu_srat/arguments.ts';

function argumentsOf(options: string): string {
  const argv = splitOptions(options);
  const parsed = parseQemuOptions(argv);
  if ('errors' in parsed) throw new Error(parsed.errors.join('\n'));
  return machineArguments(argv, parsed.config).join(' ');
}

const backends = '-object memory-backend-ram,id=m0,size=1G -object memory-backend-ram,id=m1,size=2G';

test.each([
  { name: 'no options: the default machine', options: '', wanted: '-machine pc -m 4194304K -smp 2' },
  {
    name: 'nodes, distances and memory backends are left out, CPUs stay as they sit',
    options: `-M q35 -m 3G -smp 4,sockets=2,cores=2 -cpu Opteron_G1 ${backends} -numa node,memdev=m0 -numa node,memdev=m1 -numa dist,src=0,dst=1,val=40`,
    wanted: '-machine q35 -m 3145728K -smp 4,sockets=2,cores=2 -cpu Opteron_G1',
  },
  {
    name: 'slots and room for more memory, which would have QEMU make an SRAT, are left out',
    options: '-m 1G,slots=2,maxmem=4G',
    wanted: '-machine pc -m 1048576K -smp 1',
  },
  {
    name: 'what -machine says of nodes and accelerators is left out, the rest stays',
    options:
      '--machine type=pc,memory-backend=m1,max-ram-below-4g=1G,accel=kvm -enable-kvm -object memory-backend-ram,id=m1,size=2G',
    wanted: '-machine type=pc,max-ram-below-4g=1G -m 2097152K -smp 1',
  },
  {
    name: 'a -machine that says nothing else is replaced',
    options: '-machine hmat=off -m 1G',
    wanted: '-machine pc -m 1048576K -smp 1',
  },
  {
    name: "every -smp is handed on: later ones override earlier ones' keys",
    options: '-smp 1,maxcpus=4 -smp cpus=2 -m 1G',
    wanted: '-machine pc -m 1048576K -smp 1,maxcpus=4 -smp cpus=2',
  },
])('$name', ({ options, wanted }) => {
  expect(argumentsOf(options)).toBe(wanted);
});

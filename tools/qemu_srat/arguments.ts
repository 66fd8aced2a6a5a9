// QEMU's command line for the same machine without its nodes: with nodes, slots or room for more memory QEMU makes an
// SRAT of its own, and the guest is to see ours alone. RAM, CPUs and machine type stay, and with them the e820 map.

import type { MachineConfig } from '../../emu/config/machine_config.ts';

/** Keys of `-machine` that belong to nodes, and the accelerator: KVM reserves memory, which shows in the e820 map. */
const LEFT_OUT = ['memory-backend', 'hmat', 'accel', 'kernel-irqchip', 'kernel_irqchip'];

/** @param argv options as `config` was parsed from them */
export function machineArguments(argv: readonly string[], config: MachineConfig): string[] {
  const { below4g, above4g } = config.layout;
  const machine: string[] = [];
  const cpus: string[] = [];
  for (const [i, written] of argv.entries()) {
    const option = written.replace(/^--/, '-');
    const argument = argv[i + 1] ?? '';
    if (option === '-machine' || option === '-M') {
      const kept = argument.split(',').filter((part) => !LEFT_OUT.includes(part.split('=')[0]!));
      if (kept.length > 0) machine.push('-machine', kept.join(','));
    } else if (option === '-smp' || option === '-cpu') cpus.push(option, argument);
  }
  if (machine.length === 0) machine.push('-machine', config.type);
  if (!cpus.includes('-smp')) cpus.push('-smp', String(config.cpus.filter(({ present }) => present).length));
  return [...machine, '-m', `${(below4g + above4g) / 1024}K`, ...cpus];
}

// One run of `pgdat boot` as a plan: whoever follows it again gets the same run to the byte, up to any point in it.

import type { MachineConfig } from '../emu/config/machine_config.ts';
import type { DiskSpec } from '../emu/devices/disk.ts';
import type { FirmwareMode } from '../firmware/install.ts';
import type { KernelConfig } from '../kernel/config.ts';
import type { KernelBug, KernelPanic } from '../kernel/lib/bug.ts';
import type { Span } from '../kernel/workloads/samples.ts';
import type { Workload } from '../kernel/workloads/workload.ts';
import type { Look } from '../kernel/workloads/workloads.ts';
import { type CgroupSpec, checkCgroups, makeCgroups } from './cgroup_option.ts';
import { checkRequests, type Explained, type Explanation, explainAll, type Request } from './explain.ts';
import { bootLab, type Lab } from './lab.ts';
import { prepareSwap, type SwapSpec, switchSwapOn } from './swap_option.ts';
import { type Sysctl, setSysctls } from './sysctl_option.ts';
import { type Pressure, runWorkloads, workloadDisks } from './workload_option.ts';

export interface BootPlan {
  readonly machine: MachineConfig;
  readonly config: KernelConfig;
  readonly cmdline: string;
  readonly firmware: FirmwareMode;
  readonly swap: readonly SwapSpec[];
  readonly sysctls: readonly Sysctl[];
  readonly cgroups: readonly CgroupSpec[];
  readonly requests: readonly Request[];
  readonly workloads: readonly Workload[];
  /** For the files of the workloads; null: they have none. */
  readonly fileDisk: DiskSpec | null;
  readonly seed: number;
  /** What of the workloads is drawn; null: all. */
  readonly chart: Span | null;
}

export interface Begun {
  readonly lab: Lab;
  /** What went wrong since the boot, a line each. */
  readonly problems: readonly string[];
  /** null: the boot was the end. */
  readonly asked: Explained | null;
  /** The kernel's end, if this was it. */
  readonly over: KernelPanic | KernelBug | null;
}

/**
 * From power-on up to the workloads.
 * @throws UsageError
 */
export function begin(plan: BootPlan, onSerial?: (text: string) => void): Begun {
  const { swap, fileDisk } = plan;
  const lab = bootLab({
    machine: plan.machine,
    kernel: plan.config,
    cmdline: plan.cmdline,
    firmware: plan.firmware,
    disks: workloadDisks(plan.workloads, [...swap.map(({ disk }) => disk), ...(fileDisk === null ? [] : [fileDisk])]),
    onFirmwareDone: ({ disks }) => disks.slice(0, swap.length).forEach(prepareSwap),
    ...(onSerial === undefined ? {} : { onSerial }),
  });
  const { kernel, stopped } = lab;
  if (stopped !== null) return { lab, problems: [], asked: null, over: stopped };
  checkCgroups(kernel, plan.cgroups, plan.workloads);
  checkRequests(kernel, plan.requests);
  const problems = [
    ...switchSwapOn(kernel, swap),
    ...setSysctls(kernel, plan.sysctls),
    ...makeCgroups(kernel, plan.cgroups),
  ];
  const asked = explainAll(kernel, plan.requests);
  return { lab, problems, asked, over: asked.ended };
}

/** The workloads of a run that has begun. @returns null: there are none, or the kernel is no more */
export function goOn(plan: BootPlan, { lab, over }: Begun, looks: readonly Look[]): Pressure | null {
  if (over !== null || plan.workloads.length === 0) return null;
  return runWorkloads(lab.kernel, plan.workloads, plan.seed, plan.fileDisk !== null, looks, plan.chart);
}

/** Leaves a run that nobody wants to see the end of. */
class Enough extends Error {}

/**
 * What the requests would come to if they were made at that point of the run. As any request changes what comes after it,
 * they are made in a run of their own, which ends with them.
 * @returns none if the run is over by then
 */
export function explainAt(plan: BootPlan, at_ns: number): readonly Explanation[] {
  const begun = begin(plan);
  const look = (): never => {
    throw new Enough();
  };
  try {
    goOn(plan, begun, [{ at_ns, look }]);
  } catch (error) {
    if (error instanceof Enough) return explainAll(begun.lab.kernel, plan.requests).explanations;
    throw error;
  }
  return [];
}

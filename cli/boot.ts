// `pgdat boot`: one machine, from power-on to the free lists.

import { existsSync } from 'node:fs';
import type { MachineConfig } from '../emu/config/machine_config.ts';
import { readMachineFile } from '../emu/config/machine_file.ts';
import { parseQemuOptions, QEMU_IGNORED_NAMES, QEMU_OPTION_NAMES } from '../emu/config/qemu_options.ts';
import { MAX_DISKS } from '../emu/machine.ts';
import type { FirmwareMode } from '../firmware/install.ts';
import type { KernelImage } from '../kernel/config.ts';
import { KernelBug } from '../kernel/lib/bug.ts';
import { seconds_text } from '../kernel/workloads/chart.ts';
import { parseSpan, parseTimes, type Seen, seenData, seenText } from './at_option.ts';
import { bootResult, bootSummary, firmwareResult } from './boot_result.ts';
import { type BootPlan, begin, explainAt, goOn } from './boot_run.ts';
import { checkCats, filesText, parseCats, readFiles } from './cat_option.ts';
import { parseCgroups } from './cgroup_option.ts';
import { type Command, EXIT_FAILED, EXIT_OK, type Output, UsageError } from './command.ts';
import { configSwitches, parseConfigOption } from './config_option.ts';
import { explainRequest, explanationData, explanationsText, requestNotes } from './explain.ts';
import { hostMemory, hostMemoryProblem } from './host_memory.ts';
import { type Lab, LabError } from './lab.ts';
import { nearestName } from './near.ts';
import { nameLines } from './options.ts';
import { userPath } from './path.ts';
import { parseSwapOption, type SwapSpec } from './swap_option.ts';
import { parseSysctls, sysctlNames } from './sysctl_option.ts';
import { parseSeed, parseWorkloads, workloadDisk, workloadList } from './workload_option.ts';

const MIB = 2 ** 20;

export const bootCommand: Command = {
  spec: {
    name: 'boot',
    operands: '[QEMU OPTIONS]',
    summary: 'boots a machine and prints the log, /proc/buddyinfo and the zones',
    options: [
      { name: '-append', value: 'PARAMETERS', choices: [], help: "the kernel's command line" },
      {
        name: '--firmware',
        value: 'bios|none',
        choices: ['bios', 'none'],
        help: 'run the ROM on the emulated CPU (default), or leave in RAM what it would',
      },
      { name: '--machine', value: 'FILE', choices: [], help: 'a machine described in JSON, firmware bytes and all' },
      {
        name: '--config',
        value: 'debian|recorder[,SWITCH=y|n...]',
        choices: [],
        help: "the kernel's build switches: Debian 12's (default), or those of the recorded cases; single ones to differ",
      },
      {
        name: '--sysctl',
        value: 'NAME=VALUE',
        choices: [],
        help: 'set once booted, such as vm.min_free_kbytes=20000; in the order given',
        repeatable: true,
      },
      {
        name: '--cat',
        value: 'FILE',
        choices: [],
        help: 'print a file instead of the zones, after workloads if there are any, such as /proc/zoneinfo; what does not begin with / is in /proc',
        repeatable: true,
      },
      {
        name: '--swap',
        value: 'SIZE[,OPTION...]',
        choices: [],
        help: 'a disk that is a swap area, such as 512M (MiB where no K, M, G or T follows), switched on once booted; rotating, priority=N, read-errors=N and write-errors=N (of a million), stalls=N (of a million, a tenth of a second each)',
        repeatable: true,
      },
      {
        name: '--cgroup',
        value: 'PATH[,FILE=VALUE...]',
        choices: [],
        help: 'a memory cgroup, made once booted, such as web,memory.max=64M (or /web, as Linux writes it); --workload NAME@PATH runs in it',
        repeatable: true,
      },
      {
        name: '--explain',
        value: 'REQUEST',
        choices: [],
        help: 'make a request once booted and before any workload, such as GFP_ATOMIC,order=3,node=0, and tell each check on its way',
        repeatable: true,
      },
      {
        name: '--workload',
        value: 'NAME[@CGROUP]|list',
        choices: [],
        help: 'run it once booted, together with others that are given; list names them and says what each shows',
        repeatable: true,
      },
      {
        name: '--at',
        value: 'TIME',
        choices: [],
        help: 'show the files of --cat, and what --explain would come to, at that point of the workloads too, such as 2s or 150ms',
        repeatable: true,
      },
      {
        name: '--chart',
        value: 'FROM..TO',
        choices: [],
        help: 'draw that part of the workloads, such as 40ms..60ms (default: all)',
      },
      {
        name: '--seed',
        value: 'N',
        choices: [],
        help: 'of what workloads do by chance; the same seed, the same output',
      },
      {
        name: '--json',
        value: null,
        choices: [],
        help: 'the result as data (docs/json.md), nothing else on standard output',
      },
      { name: '--times', value: null, choices: [], help: 'what each stage took, and the peak of resident memory' },
    ],
    rest: 'qemu',
    operand_count: [0, 0],
    notes: [
      ...requestNotes,
      '',
      'Of an option that may be given once only, the last one counts, as in QEMU: QEMU does not say so, pgdat does.',
      '',
      "QEMU's topology options describe the machine, -device pc-dimm and -object memory-backend-ram among them; without",
      'any it is a pc with 4 GiB, 2 CPUs and 2 nodes:',
      ...nameLines(QEMU_OPTION_NAMES),
      'Taken, and left alone:',
      ...nameLines(QEMU_IGNORED_NAMES),
      'Switches of --config:',
      ...nameLines(configSwitches),
      'Names of --sysctl:',
      ...nameLines(sysctlNames),
      'Files of --cat:',
      '  buddyinfo cmdline meminfo pagetypeinfo swaps vmstat zoneinfo sys/vm/NAME, /sys/kernel/tracing/trace,',
      '  /sys/kernel/debug/extfrag/extfrag_index and unusable_index, /sys/devices/system/node/nodeN/meminfo, numastat and vmstat,',
      '  /sys/fs/cgroup/PATH/memory.FILE, and with PAGE_OWNER=y /sys/kernel/debug/page_owner. docs/settings.md says what they all do.',
      'Exit code 1 if the kernel panics.',
    ],
  },
  run(values, rest, output, lists) {
    if (lists.get('--workload')?.includes('list')) {
      output.out(workloadList());
      return EXIT_OK;
    }
    const { plan, paths, times } = wishesOf(values, rest, output, lists);
    const { requests } = plan;
    const json = values.has('--json');
    const tell = (text: string): void => {
      if (!json && text !== '') output.out(`\n${text}`);
    };
    const answers = new Map(requests.length === 0 ? [] : times.map((at_ns) => [at_ns, explainAt(plan, at_ns)]));
    // A PC's serial line ends its lines with CR LF.
    const begun = begin(plan, json ? undefined : (text) => output.out(text.replaceAll('\r', '')));
    const { lab, asked } = begun;
    const { kernel, stopped } = lab;
    if (stopped === null) checkCats(kernel, paths);
    const stages = values.has('--times') ? timesOf(lab) : null;
    const problems = [...begun.problems];
    const explanations = asked?.explanations ?? [];
    tell(explanationsText(explanations));
    const seen: Seen[] = [];
    const looks = times.map((at_ns) => ({
      at_ns,
      look: () => {
        const files = readFiles(kernel, paths, problems, ` after ${seconds_text(at_ns)} s`);
        seen.push({ at_ns, files, explanations: answers.get(at_ns) ?? [] });
        tell(seenText(seen.at(-1)!));
      },
    }));
    // Requests and workloads may be the end of the kernel too: what came before is told, files are no longer to be had.
    const pressure = goOn(plan, begun, looks);
    const end = begun.over ?? pressure?.stopped ?? null;
    problems.push(...(pressure?.problems ?? []));
    const files = end === null ? readFiles(kernel, paths, problems) : new Map<string, string>();
    if (json) {
      const result = stopped === null ? bootResult(kernel) : firmwareResult(kernel);
      const panic = end === null ? null : end.message;
      const more = {
        ...(paths.length > 0 ? { files: Object.fromEntries(files) } : {}),
        ...(explanations.length > 0 ? { explained: explanations.map(explanationData) } : {}),
        ...(times.length > 0 ? { looks: seen.map(seenData) } : {}),
        ...(pressure === null ? {} : { workload: pressure.data }),
        ...(stages === null ? {} : { times: stages }),
      };
      output.out(`${JSON.stringify({ panic, ...result, ...more }, null, 1)}\n`);
    } else {
      tell(pressure?.text ?? '');
      tell(filesText(files));
      // Where nothing else was asked for.
      if (end === null && paths.length + explanations.length + plan.workloads.length === 0) tell(bootSummary(kernel));
      if (stages !== null) output.err(timesText(stages));
    }
    const earlier = end === null ? 'the workloads were over' : 'the kernel stopped';
    for (const at_ns of times.slice(seen.length)) {
      output.err(`pgdat: warning: --at ${seconds_text(at_ns)} s: ${earlier} before that\n`);
    }
    if (end !== null && paths.length > 0) {
      output.err('pgdat: warning: --cat: no file can be read at the end, as the kernel has stopped\n');
    }
    for (const problem of problems) output.err(`pgdat boot: ${problem}\n`);
    // A panic has been printed by the kernel, unless nobody listened.
    if (end instanceof KernelBug) output.err(`${end.message}\n`);
    else if (end !== null && (json || kernel.log.console === null)) {
      output.err(`Kernel panic - not syncing: ${end.message}\n`);
    }
    return end !== null || problems.length > 0 ? EXIT_FAILED : EXIT_OK;
  },
};

interface Wishes {
  readonly plan: BootPlan;
  /** Files to show. */
  readonly paths: readonly string[];
  /** When, besides at the end. */
  readonly times: readonly number[];
}

/** @throws UsageError, LabError */
function wishesOf(...[values, rest, output, lists]: Parameters<Command['run']>): Wishes {
  const all = (name: string): readonly string[] => lists.get(name) ?? [];
  const sysctls = parseSysctls(all('--sysctl'));
  const requests = all('--explain').map(explainRequest);
  const swap = swapOf(all('--swap'));
  const cgroups = parseCgroups(all('--cgroup'));
  const workloads = parseWorkloads(all('--workload'), cgroups);
  const config = parseConfigOption(values.get('--config') ?? 'debian');
  const paths = parseCats(all('--cat'), {
    config,
    cgroups: [...cgroups.map(({ path }) => path), ...workloads.flatMap((workload) => workload.cgroups ?? [])],
  });
  const times = parseTimes(all('--at'));
  if (times.length > 0 && workloads.length === 0)
    throw new UsageError(['--at: without a --workload nothing goes on after the boot']);
  if (times.length > 0 && paths.length + requests.length === 0)
    throw new UsageError(['--at: what to show is missing, --cat FILE or --explain REQUEST']);
  const chart = values.has('--chart') ? parseSpan(values.get('--chart')!) : null;
  if (chart !== null && workloads.length === 0)
    throw new UsageError(['--chart: without a --workload nothing is drawn']);
  const seed = parseSeed(values.get('--seed'));
  const machine = machineOf(values.get('--machine') ?? null, rest, output);
  if (!values.has('--machine')) checkSize(machine, config.image);
  const cmdline = values.get('-append') ?? '';
  const problem = hostMemoryProblem(machine, cmdline, hostMemory());
  if (problem !== null) throw new LabError(problem);
  const fileDisk = workloadDisk(workloads, seed, machine.layout.ram);
  if (fileDisk !== null && swap.length === MAX_DISKS)
    throw new UsageError(['--workload: no disk is left for its files']);
  const firmware = (values.get('--firmware') ?? 'bios') as FirmwareMode;
  const set = { swap, sysctls, cgroups, requests, workloads, fileDisk, seed, chart };
  return { plan: { machine, config, cmdline, firmware, ...set }, paths, times };
}

/**
 * Of a machine that QEMU's options describe: whether there is RAM for all of the kernel.
 * @throws UsageError
 */
function checkSize({ layout }: MachineConfig, { end }: KernelImage): void {
  const mib = layout.ram.reduce((sum, ram) => sum + ram.end - ram.start, 0) / MIB;
  const least = Math.ceil(end / MIB);
  if (mib >= least) return;
  throw new UsageError([
    `-m: ${Math.floor(mib)} MiB of RAM are too few, as the kernel's image reaches up to ${least} MiB; give it more, such as -m 128M`,
  ]);
}

function swapOf(texts: readonly string[]): SwapSpec[] {
  if (texts.length > MAX_DISKS) throw new UsageError([`--swap: a machine has at most ${MAX_DISKS} disks`]);
  return texts.map(parseSwapOption);
}

/** After an option that neither QEMU has nor we. */
function hint(option: string): string {
  const names = [...bootCommand.spec.options.map(({ name }) => name), ...QEMU_OPTION_NAMES];
  const near = nearestName(option, names);
  return near === null ? ", see 'pgdat boot --help'" : `, did you mean ${near}?`;
}

export function machineOf(file: string | null, options: readonly string[], output: Output): MachineConfig {
  if (file !== null && options.length > 0) {
    throw new UsageError([
      `--machine ${file} describes a whole machine: no QEMU options beside it (${options.join(' ')})`,
    ]);
  }
  if (file !== null && /^(pc|q35|type=)/.test(file) && !existsSync(userPath(file))) {
    throw new UsageError([
      `--machine ${file}: no such file; QEMU's machine type is chosen with one dash: -machine ${file}`,
    ]);
  }
  const parsed = file === null ? parseQemuOptions(options, hint) : readMachineFile(file, userPath(file));
  if ('errors' in parsed) throw new UsageError(parsed.errors);
  for (const warning of parsed.warnings) output.err(`pgdat: warning: ${warning}\n`);
  return parsed.config;
}

interface Times {
  readonly stages: Lab['stages'];
  readonly total_ms: number;
  readonly peak_rss_kib: number;
}

const timesOf = ({ stages }: Lab): Times => ({
  stages,
  total_ms: stages.reduce((sum, { ms }) => sum + ms, 0),
  peak_rss_kib: process.resourceUsage().maxRSS,
});

const timesText = ({ stages, total_ms, peak_rss_kib }: Times): string =>
  [
    ...stages.map(({ name, ms }) => `${ms.toFixed(2).padStart(9)} ms  ${name}`),
    `${total_ms.toFixed(2).padStart(9)} ms  all stages`,
    `${(peak_rss_kib / 1024).toFixed(1).padStart(9)} MiB resident at most`,
    '',
  ].join('\n');

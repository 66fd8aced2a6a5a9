// Does a real Linux read our SRAT and SLIT as ours does? Hands the tables that our firmware makes to QEMU, boots a Debian
// kernel on them, and compares nodes, ranges, distances and zones with those of our own kernel.
// Usage: node tools/qemu-srat.mjs [--kernel VMLINUZ] [QEMU OPTIONS]
//
// The options describe the machine as they do for `pgdat boot`; without any: two nodes, 4 GiB. Needs Debian's packages
// qemu-system-x86, busybox-static and cpio. The kernel is the running system's, or else Debian's, fetched with APT and
// kept in .cache/linux. Exit code: 0 equal, 1 different, 2 it could not be tried.

import { execFileSync, spawn } from 'node:child_process';
import {
  accessSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const cache = join(root, '.cache/linux');
const QEMU = 'qemu-system-x86_64';
const PACKAGES = { [QEMU]: 'qemu-system-x86', busybox: 'busybox-static', cpio: 'cpio' };
const BOOT_LIMIT_MS = 300_000;

/** /init of the guest: prints what readSections() reads. /proc/sys/kernel/printk: no message may come in between. */
const INIT = `#!/bin/busybox sh
bb=/bin/busybox
$bb mount -t proc proc /proc
$bb mount -t sysfs sysfs /sys
echo 1 > /proc/sys/kernel/printk
echo; echo "== version"; $bb uname -rv
echo "== dmesg"; $bb dmesg
echo "== zoneinfo"; $bb cat /proc/zoneinfo
for node in /sys/devices/system/node/node[0-9]*; do
  echo "== \${node##*/}"; $bb cat $node/distance $node/cpulist; $bb grep MemTotal $node/meminfo
done
for table in SRAT SLIT; do
  [ -e /sys/firmware/acpi/tables/$table ] && { echo "== $table"; $bb od -An -v -tx1 /sys/firmware/acpi/tables/$table; }
done
echo "== end"
$bb poweroff -f
`;

class CannotTry extends Error {}

async function main(argv) {
  const at = argv.findIndex((word) => word === '--kernel' || word === '-kernel');
  const options = at < 0 ? argv : argv.toSpliced(at, 2);
  if (at >= 0 && argv[at + 1] === undefined) throw new CannotTry('--kernel needs a value: --kernel VMLINUZ');
  const project = await bundleProject();
  const machine = project.machineOf(options);
  if ('errors' in machine) throw new CannotTry(machine.errors.join('\n'));

  const paths = findPrograms();
  const kernel = at < 0 ? (runningKernel() ?? fetchKernel()) : argv[at + 1];
  const work = mkdtempSync(join(tmpdir(), 'qemu-srat-'));
  try {
    const output = await bootGuest(kernel, machine, paths, work);
    const sections = project.readSections(output);
    if (sections === null)
      throw new CannotTry(`the guest did not come to its end; it said last:\n${output.slice(-2000)}`);
    return judge(project, machine, sections);
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** The project's own part, beside the program's bundle, from where it finds node_modules. */
async function bundleProject() {
  const outfile = join(root, 'build/qemu-srat.mjs');
  await build({
    entryPoints: [join(root, 'tools/qemu_srat/machine.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['koffi'],
    logLevel: 'error',
  });
  return import(outfile);
}

/** @returns where each program is */
function findPrograms() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const found = Object.keys(PACKAGES).map((name) => [name, folders.map((f) => join(f, name)).find(existsSync)]);
  const missing = found.filter(([, path]) => path === undefined).map(([name]) => PACKAGES[name]);
  if (missing.length > 0) throw new CannotTry(`please install: apt install ${missing.join(' ')}`);
  return Object.fromEntries(found);
}

/** The newest kernel of this system, if there is one that may be read. */
function runningKernel() {
  if (!existsSync('/boot')) return null;
  const readable = (path) => {
    try {
      accessSync(path, constants.R_OK);
      return true;
    } catch {
      return false;
    }
  };
  const names = readdirSync('/boot').filter((name) => name.startsWith('vmlinuz-'));
  names.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  return names.map((name) => join('/boot', name)).find(readable) ?? null;
}

/** Debian's kernel: what linux-image-amd64 depends on. */
function fetchKernel() {
  const run = (program, args, cwd = root) => execFileSync(program, args, { cwd, encoding: 'utf8' });
  const folder = mkdtempSync(join(tmpdir(), 'qemu-srat-kernel-'));
  try {
    const name = /Depends: (linux-image-\S+)/.exec(run('apt-cache', ['depends', 'linux-image-amd64']))?.[1];
    if (name === undefined) throw new Error('APT knows no linux-image-amd64; has "apt-get update" been run?');
    const cached = join(cache, name.replace('linux-image', 'vmlinuz'));
    if (existsSync(cached)) return cached;
    console.error(`qemu-srat: fetching ${name} with apt-get`);
    // APT's own user may not write to a private folder.
    run('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', name], folder);
    run('dpkg', ['-x', join(folder, readdirSync(folder)[0]), join(folder, 'root')]);
    const image = readdirSync(join(folder, 'root/boot')).find((file) => file.startsWith('vmlinuz-'));
    mkdirSync(cache, { recursive: true });
    copyFileSync(join(folder, 'root/boot', image), cached);
    return cached;
  } catch (error) {
    throw new CannotTry(`no kernel: give one with --kernel VMLINUZ\n${error.stderr ?? error.message}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A root of two files. The kernel's own initial root has /dev/console. */
function makeInitrd(busybox, cpio, work) {
  const tree = join(work, 'root');
  for (const folder of ['bin', 'proc', 'sys']) mkdirSync(join(tree, folder), { recursive: true });
  copyFileSync(busybox, join(tree, 'bin/busybox'));
  writeFileSync(join(tree, 'init'), INIT, { mode: 0o755 });
  const input = ['.', 'bin', 'bin/busybox', 'proc', 'sys', 'init'].join('\n');
  const archive = execFileSync(cpio, ['-o', '-H', 'newc', '--quiet'], { cwd: tree, input, maxBuffer: 2 ** 26 });
  const path = join(work, 'initrd');
  writeFileSync(path, archive);
  return path;
}

/** @returns what the guest printed */
function bootGuest(kernel, machine, paths, work) {
  const tables = machine.tables.flatMap(({ name, bytes }) => {
    const path = join(work, name);
    writeFileSync(path, bytes);
    // `file=` takes the table with its header, and without further keys leaves the header as it is.
    return ['-acpitable', `file=${path}`];
  });
  const args = [
    ...machine.qemuArguments,
    ...tables,
    // Default devices stay: SeaBIOS takes RAM for the CD-ROM drive of q35, and our firmware says so.
    ...['-accel', 'tcg', '-display', 'none', '-nic', 'none', '-monitor', 'none', '-serial', 'stdio', '-no-reboot'],
    ...['-kernel', kernel, '-initrd', makeInitrd(paths.busybox, paths.cpio, work)],
    ...['-append', 'console=ttyS0 quiet printk.time=0 log_buf_len=4M panic=-1'],
  ];
  console.log(`${QEMU} ${[...machine.qemuArguments, ...tables].join(' ').replaceAll(`${work}/`, '')}`);
  return new Promise((resolve, reject) => {
    let output = '';
    let complaints = '';
    const qemu = spawn(paths[QEMU], args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => qemu.kill(), BOOT_LIMIT_MS);
    qemu.stdout.on('data', (data) => {
      output += data.toString('latin1');
    });
    qemu.stderr.on('data', (data) => {
      complaints += data;
    });
    qemu.on('close', (code) => {
      clearTimeout(timer);
      if (code !== 0 && code !== null) reject(new CannotTry(complaints.trimEnd()));
      else resolve(output);
    });
  });
}

const hexOf = (bytes) => Buffer.from(bytes).toString('hex');

/** Prints what was found. @returns exit code */
function judge(project, machine, sections) {
  let equal = true;
  console.log(`Linux ${sections.get('version').trim()}\n`);
  for (const name of ['SRAT', 'SLIT']) {
    const ours = machine.tables.find((table) => table.name === name)?.bytes;
    const found = sections.get(name)?.replace(/\s/g, '');
    const same = found === (ours && hexOf(ours));
    equal &&= same;
    const size = ours === undefined ? 'none' : `${ours.length} bytes`;
    console.log(`${name}: ${size}, ${same ? 'the same in the guest' : 'NOT the same in the guest'}`);
  }
  const real = project.reportOfGuest(sections);
  console.log(`\n${project.linesOf(real).join('\n')}\n`);
  for (const { nid } of real.nodes) console.log(/Node.*/.exec(sections.get(`node${nid}`))?.[0] ?? '');
  const found = project.differences(real, machine.report);
  if (found.length > 0) console.log(`\ndifferent (- the real kernel, + ours):\n${found.join('\n')}`);
  else {
    console.log(`\nour kernel says the same: ${real.log.length} lines of the log, ${real.nodes.length} nodes`);
  }
  return equal && found.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof CannotTry)) throw error;
  for (const line of error.message.split('\n')) console.error(`qemu-srat: ${line}`);
  process.exitCode = 2;
}

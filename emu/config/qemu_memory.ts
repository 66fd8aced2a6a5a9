// `-m`, `-object memory-backend-*` and `-device pc-dimm`: how much memory there is, the objects that hold it, and what is
// plugged into slots (softmmu/vl.c, backends/hostmem.c, hw/mem/memory-device.c).

import { Fields } from './option_fields.ts';
import {
  hex,
  IDENTIFIER_REFUSAL,
  isIdentifier,
  lastValue,
  type OptionList,
  type Problems,
  parseInteger,
  parseSize,
  parseUint64,
} from './option_text.ts';

const MiB = 2n ** 20n;
const GiB = 2n ** 30n;
const DEFAULT_RAM = 128n * MiB;
/** RAM sizes are rounded up to this. */
const RAM_UNIT = 8192n;
const MAX_SLOTS = 256n;
/** Memory devices start and end at multiples of this. */
const DEVICE_ALIGN = 2n * MiB;

const SIZE_REFUSAL =
  'expects a non-negative number below 2^64\n' +
  'Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\nand exabytes, respectively.';

export interface MemoryOption {
  readonly size: bigint;
  readonly maxSize: bigint;
  readonly slots: bigint;
  /** `-m` gave a size. */
  readonly given: boolean;
}

/** @param lists every `-m`; later ones override earlier ones key by key. null after a refusal. */
export function parseMemory(lists: readonly OptionList[], problems: Problems): MemoryOption | null {
  const values: Record<string, bigint> = {};
  let failed = false;
  const refuse = (list: OptionList | null, text: string): void => {
    failed = true;
    problems.error(list?.text ?? null, text);
  };
  for (const list of lists) {
    for (const [key, text] of list.pairs) {
      if (key === 'slots') {
        // QEMU's plain number: negative ones wrap.
        const slots = parseInteger(text);
        if (slots === null) refuse(list, "Parameter 'slots' expects a number");
        else values[key] = BigInt.asUintN(64, slots);
      } else if (key === 'size' || key === 'maxmem') {
        if (text === '' && list.pairs.length === 1) continue;
        const size = parseSize(text, 'M');
        if (size === 'malformed') refuse(list, `Parameter '${key}' ${SIZE_REFUSAL}`);
        else if (size === 'too large') refuse(list, `Value '${text}' is out of range for parameter '${key}'`);
        else values[key] = size;
      } else refuse(list, `Invalid parameter '${key}'`);
    }
  }
  const { slots = 0n, maxmem } = values;
  const size = (((values.size || DEFAULT_RAM) + RAM_UNIT - 1n) / RAM_UNIT) * RAM_UNIT;
  if (failed) return null;
  if (maxmem === undefined) {
    if (slots > 0n) refuse(null, 'slots specified but no max-size');
  } else if (maxmem < size) {
    const limits = `maximum memory size (${hex(maxmem)}) must be at least the initial memory size (${hex(size)})`;
    refuse(null, `invalid value of maxmem: ${limits}`);
  } else if (slots > 0n && maxmem === size) {
    const limits = `maximum memory size (${hex(maxmem)}) is equal to the initial memory size (${hex(size)})`;
    refuse(null, `invalid value of maxmem: memory slots were specified but ${limits}`);
  } else if (maxmem > size) {
    if (slots > MAX_SLOTS) refuse(null, `unsupported amount of memory slots: ${slots}`);
    if (maxmem % 4096n !== 0n) refuse(null, 'maximum memory size must by aligned to multiple of 4096 bytes');
  }
  return failed ? null : { size, maxSize: maxmem ?? size, slots, given: values.size !== undefined };
}

/** A memory object, and whether something uses it. */
export interface MemoryBackend {
  readonly size: bigint;
  busy: boolean;
}

const BACKENDS = ['memory-backend-ram', 'memory-backend-file', 'memory-backend-memfd'];
const SIZE_KEYS = ['align', 'hugetlbsize', 'offset'];
const FLAG_KEYS = ['dump', 'merge', 'prealloc', 'reserve', 'share', 'x-use-canonical-path-for-ramblock-id'];
const OTHER_FLAG_KEYS = ['discard-data', 'hugetlb', 'pmem', 'readonly', 'seal'];
const POLICIES = ['default', 'preferred', 'bind', 'interleave'];

/** Backends by id; other objects take no part in the memory map and are left alone. */
export function parseObjects(lists: readonly OptionList[], problems: Problems): Map<string, MemoryBackend | null> {
  const backends = new Map<string, MemoryBackend | null>();
  for (const list of lists) {
    const fields = new Fields(list, problems);
    const kind = fields.required('qom-type', fields.text);
    if (kind === undefined) continue;
    if (!BACKENDS.includes(kind)) {
      if (kind.startsWith('memory-backend')) fields.refuse(`Parameter 'qom-type' does not accept value '${kind}'`);
      continue;
    }
    const id = fields.required('id', fields.text);
    if (id !== undefined && !isIdentifier(id)) fields.refuse(IDENTIFIER_REFUSAL);
    const size = fields.required('size', fields.size);
    for (const key of SIZE_KEYS) fields.size(key);
    for (const key of [...FLAG_KEYS, ...OTHER_FLAG_KEYS]) fields.flag(key);
    fields.choice('policy', POLICIES);
    for (const key of ['host-nodes', 'prealloc-threads', 'prealloc-context']) fields.text(key);
    if (kind === 'memory-backend-file') fields.required('mem-path', fields.text);
    fields.end();
    if (size === 0n) problems.error(null, `property 'size' of ${kind} doesn't take value '0'`);
    if (id === undefined) continue;
    if (backends.has(id)) fields.refuse(`Duplicate ID '${id}' for object`);
    // An object that was refused still has its name, so that its users are not refused too.
    else backends.set(id, fields.failed || !size ? null : { size, busy: false });
  }
  return backends;
}

/** What devices are checked against. */
export interface DeviceSpace {
  readonly backends: Map<string, MemoryBackend | null>;
  readonly nodes: number;
  readonly memory: MemoryOption;
  /** First address for memory devices. */
  readonly base: number;
}

const DIMM_KEYS = ['driver', 'id', 'memdev', 'node', 'slot', 'addr', 'label-size', 'unarmed'];

/** `-device pc-dimm`: nothing of a DIMM is in the e820 map, and its range is in the SRAT as hotpluggable anyway. */
export function checkDevices(lists: readonly OptionList[], space: DeviceSpace, problems: Problems): void {
  const slots = new Set<number>();
  const ids = new Set<string>();
  const placed: { start: bigint; end: bigint; id: string }[] = [];
  for (const list of lists) {
    const refuse = (text: string): undefined => {
      problems.error(list.text, text);
    };
    const driver = lastValue(list, 'driver');
    if (driver === undefined) refuse("Parameter 'driver' is missing");
    else if (driver !== 'pc-dimm') refuse(noDevice(driver));
    else plug(list, refuse, space, { slots, ids, placed });
  }
}

/** Devices that QEMU has, by how their names begin. */
const OTHER_DEVICES =
  /^(ac97|ahci|am53|bochs|cirrus|cxl|e1000|edu|ex-|floppy|generic-sdhci|guest-loader|hda-|i6300|i82|ib700|ich9|ide-|igb|intel-|ioh|ipmi|isa-|ivshmem|loader|lsi|megasas|mptsas|ne2k|nec-usb|nvdimm|nvme|pc-testdev|pci|pcnet|piix|pvpanic|pvscsi|pxb|qemu-xhci|qxl|ramfb|rtl8139|scsi-|sd-card|sdhci|sev|smbus|tpm|usb-|vfio|vga|vhost|virt|vmgenid|vmware|vmxnet|x3130|xio3130)|-(vga|cpu|iommu)$/i;

const noDevice = (driver: string): string =>
  OTHER_DEVICES.test(driver)
    ? `device '${driver}' is not supported here, only pc-dimm`
    : `'${driver}' is not a valid device model name`;

interface Plugged {
  readonly slots: Set<number>;
  readonly ids: Set<string>;
  readonly placed: { start: bigint; end: bigint; id: string }[];
}

function plug(list: OptionList, refuse: (text: string) => undefined, space: DeviceSpace, plugged: Plugged): undefined {
  const { memory, backends } = space;
  for (const [key] of list.pairs) if (!DIMM_KEYS.includes(key)) refuse(`Property 'pc-dimm.${key}' not found`);
  const id = lastValue(list, 'id');
  if (id !== undefined && !isIdentifier(id)) return refuse(IDENTIFIER_REFUSAL);
  if (id !== undefined && plugged.ids.has(id)) return refuse(`Duplicate ID '${id}' for device`);
  if (id !== undefined) plugged.ids.add(id);

  const memdev = lastValue(list, 'memdev');
  if (memdev === undefined) return refuse("'memdev' property must be set");
  if (!backends.has(memdev)) return refuse(`Device '${memdev}' not found`);
  const backend = backends.get(memdev) ?? null;
  if (backend?.busy) return refuse(`can't use already busy memdev: ${memdev}`);

  const node = lastValue(list, 'node') ?? '0';
  const nodeId = parseInteger(node);
  if (nodeId === null) refuse("Parameter 'node' expects integer");
  else if (nodeId < 0n || nodeId >> 32n !== 0n) refuse("Parameter 'node' expects uint32_t");
  else if (space.nodes > 0 && nodeId >= BigInt(space.nodes)) {
    refuse(`'DIMM property node has value ${nodeId}' which exceeds the number of numa nodes: ${space.nodes}`);
  }
  if (memory.slots === 0n) return refuse("no slots where allocated, please specify the 'slots' option");
  takeSlot(lastValue(list, 'slot'), Number(memory.slots), plugged.slots, refuse);
  if (backend === null) return;
  backend.busy = true;
  takeAddress(lastValue(list, 'addr'), backend.size, id ?? '(unnamed)', space, plugged.placed, refuse);
}

function takeSlot(
  text: string | undefined,
  count: number,
  taken: Set<number>,
  refuse: (text: string) => undefined,
): undefined {
  const given = parseInteger(text ?? '-1');
  if (given === null) return refuse("Parameter 'slot' expects integer");
  let slot = Number(given);
  if (slot === -1) {
    slot = 0;
    while (slot < count && taken.has(slot)) slot++;
    if (slot === count) return refuse('no free slots available');
  }
  if (slot < 0 || slot >= count) return refuse(`invalid slot number ${slot}, valid range is [0-${count - 1}]`);
  if (taken.has(slot)) return refuse(`slot ${slot} is busy`);
  taken.add(slot);
}

function takeAddress(
  text: string | undefined,
  size: bigint,
  id: string,
  { memory, base }: DeviceSpace,
  placed: { start: bigint; end: bigint; id: string }[],
  refuse: (text: string) => undefined,
): undefined {
  if (size % DEVICE_ALIGN !== 0n) return refuse(`backend memory size must be multiple of ${hex(DEVICE_ALIGN)}`);
  const total = memory.maxSize - memory.size;
  const used = placed.reduce((sum, device) => sum + device.end - device.start, 0n);
  if (used + size > total) {
    return refuse(`not enough space, currently ${hex(used)} in use of total space for memory devices ${hex(total)}`);
  }
  const first = BigInt(base);
  const range = total + memory.slots * GiB;
  const wanted = text === undefined ? 0n : parseUint64(text);
  if (wanted === null) return refuse("Parameter 'addr' expects integer");
  if (wanted !== 0n && wanted % DEVICE_ALIGN !== 0n) {
    return refuse(`address must be aligned to ${hex(DEVICE_ALIGN)} bytes`);
  }
  if (wanted !== 0n && (wanted < first || wanted + size > first + range)) {
    const usable = `usable range for memory devices [${hex(first)}:${hex(range)}]`;
    return refuse(`can't add memory device [${hex(wanted)}:${hex(size)}], ${usable}`);
  }
  const hits = (start: bigint) => placed.find((device) => start < device.end && device.start < start + size);
  let start = wanted || first;
  for (let other = hits(start); other !== undefined; other = hits(start)) {
    if (wanted !== 0n) return refuse(`address range conflicts with memory device id='${other.id}'`);
    start = other.end;
  }
  placed.push({ start, end: start + size, id });
}

// The I/O port space: devices claim ports, the CPU and the kernel read and write them.

/** What sits behind ports. `size` is 1, 2 or 4 bytes. */
export interface PortDevice {
  readonly name: string;
  read(port: number, size: number): number;
  write(port: number, size: number, value: number): void;
}

const NR_PORTS = 0x10000;
/** All ones in 1, 2 and 4 bytes. */
const ALL_ONES: Readonly<Record<number, number>> = { 1: 0xff, 2: 0xffff, 4: 0xffffffff };

export class Ports {
  readonly #devices: (PortDevice | undefined)[] = [];
  readonly #reported = new Set<number>();
  readonly #onUnclaimed: (port: number) => void;

  /** @param onUnclaimed told once of each port that is used and no device claims */
  constructor(onUnclaimed: (port: number) => void = () => {}) {
    this.#onUnclaimed = onUnclaimed;
  }

  /** Gives ports `first` to `first + count - 1` to a device. */
  claim(first: number, count: number, device: PortDevice): void {
    for (let port = first; port < first + count; port++) {
      const owner = this.#devices[port];
      if (owner !== undefined || port >= NR_PORTS) {
        throw new Error(
          `port 0x${port.toString(16)} for ${device.name}: ${owner ? `is ${owner.name}'s` : 'no such port'}`,
        );
      }
      this.#devices[port] = device;
    }
  }

  /** @returns unsigned; a port that no device claims reads as all ones */
  read(port: number, size: number): number {
    const device = this.#devices[port];
    const ones = ALL_ONES[size] ?? 0;
    if (device !== undefined) return (device.read(port, size) & ones) >>> 0;
    this.#unclaimed(port);
    return ones;
  }

  write(port: number, size: number, value: number): void {
    const device = this.#devices[port];
    if (device === undefined) this.#unclaimed(port);
    else device.write(port, size, (value & (ALL_ONES[size] ?? 0)) >>> 0);
  }

  inb(port: number): number {
    return this.read(port, 1);
  }

  inw(port: number): number {
    return this.read(port, 2);
  }

  inl(port: number): number {
    const device = this.#devices[port];
    return device === undefined ? this.read(port, 4) : device.read(port, 4) >>> 0;
  }

  outb(port: number, value: number): void {
    this.write(port, 1, value);
  }

  outw(port: number, value: number): void {
    this.write(port, 2, value);
  }

  outl(port: number, value: number): void {
    const device = this.#devices[port];
    if (device === undefined) this.#unclaimed(port);
    else device.write(port, 4, value >>> 0);
  }

  #unclaimed(port: number): void {
    if (this.#reported.has(port)) return;
    this.#reported.add(port);
    this.#onUnclaimed(port);
  }
}

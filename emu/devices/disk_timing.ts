// How long a disk takes: when each request gets done, and which one next. Two kinds. Flash has many channels, so requests
// overtake each other, and gathers completions a little before it speaks. A rotating disk has one head, which goes to
// whatever is nearest.

/** Flash: channels that work at once; what a request takes, what chance adds at most, and each further sector, in ns. */
const CHANNELS = 32;
const FLASH_READ_NS = 50_000;
const FLASH_WRITE_NS = 25_000;
const FLASH_CHANCE_NS = 30_000;
const FLASH_SECTOR_NS = 250;
/** Completions wait for the next multiple of this. */
const GATHER_NS = 8_000;

/** Rotating: 7200 revolutions a minute, the time from one track to the next, and over all of the disk. */
const ROTATION_NS = 8_333_333;
const TRACK_SEEK_NS = 600_000;
const FULL_SEEK_NS = 12_000_000;
const ROTATING_SECTOR_NS = 3_400;

export class DiskTiming {
  readonly #sectors: number;
  readonly #rotational: boolean;
  readonly #chance: () => number;
  readonly #channels = new Float64Array(CHANNELS);

  // By tag. Requests under way form a heap by due time, and by order of submission where that is equal.
  readonly #due: Float64Array;
  readonly #order: Float64Array;
  readonly #heap: Int32Array;
  #heapSize = 0;
  #submitted = 0;

  // Rotating: requests that the head has not got to, in order of submission.
  readonly #waiting: number[] = [];
  readonly #start: Float64Array;
  readonly #end: Float64Array;
  readonly #stall: Float64Array;
  #head = 0;

  constructor(nrTags: number, sectors: number, rotational: boolean, chance: () => number) {
    this.#sectors = sectors;
    this.#rotational = rotational;
    this.#chance = chance;
    this.#due = new Float64Array(nrTags);
    this.#order = new Float64Array(nrTags);
    this.#heap = new Int32Array(nrTags);
    this.#start = new Float64Array(nrTags);
    this.#end = new Float64Array(nrTags);
    this.#stall = new Float64Array(nrTags);
  }

  /** When the next request is due; -1: there is none. */
  get next(): number {
    return this.#heapSize === 0 ? -1 : this.#due[this.#heap[0]!]!;
  }

  submit(now: number, tag: number, sector: number, count: number, write: boolean, stall_ns: number): void {
    this.#order[tag] = this.#submitted++;
    if (this.#rotational) {
      this.#start[tag] = sector;
      this.#end[tag] = sector + count;
      this.#stall[tag] = stall_ns;
      this.#waiting.push(tag);
      if (this.#heapSize === 0) this.#seekNearest(now);
      return;
    }
    const channels = this.#channels;
    let channel = 0;
    for (let n = 1; n < CHANNELS; n++) if (channels[n]! < channels[channel]!) channel = n;
    const work = (write ? FLASH_WRITE_NS : FLASH_READ_NS) + count * FLASH_SECTOR_NS + this.#chance() * FLASH_CHANCE_NS;
    const done = Math.max(now, channels[channel]!) + Math.floor(work);
    channels[channel] = done;
    this.#due[tag] = Math.ceil((done + stall_ns) / GATHER_NS) * GATHER_NS;
    this.#push(tag);
  }

  /** The next request that is done by `now`, or -1. */
  take(now: number): number {
    if (this.#heapSize === 0) return -1;
    const tag = this.#heap[0]!;
    const due = this.#due[tag]!;
    if (due > now) return -1;
    this.#pop();
    if (this.#rotational && this.#waiting.length > 0) this.#seekNearest(due);
    return tag;
  }

  #seekNearest(now: number): void {
    const waiting = this.#waiting;
    let nearest = 0;
    for (let n = 1; n < waiting.length; n++) {
      if (this.#distance(waiting[n]!) < this.#distance(waiting[nearest]!)) nearest = n;
    }
    const tag = waiting.splice(nearest, 1)[0]!;
    this.#due[tag] = Math.floor(now + this.#seek_ns(this.#distance(tag)) + this.#transfer_ns(tag) + this.#stall[tag]!);
    this.#head = this.#end[tag]!;
    this.#push(tag);
  }

  /** To go on where the head is costs nothing; else the track has to be found, and the sector to come round. */
  #seek_ns(distance: number): number {
    if (distance === 0) return 0;
    const travel = (FULL_SEEK_NS - TRACK_SEEK_NS) * Math.sqrt(distance / this.#sectors);
    return TRACK_SEEK_NS + travel + this.#chance() * ROTATION_NS;
  }

  #transfer_ns(tag: number): number {
    return (this.#end[tag]! - this.#start[tag]!) * ROTATING_SECTOR_NS;
  }

  #distance(tag: number): number {
    return Math.abs(this.#start[tag]! - this.#head);
  }

  #before(a: number, b: number): boolean {
    const difference = this.#due[a]! - this.#due[b]!;
    return difference < 0 || (difference === 0 && this.#order[a]! < this.#order[b]!);
  }

  #push(tag: number): void {
    const heap = this.#heap;
    let at = this.#heapSize++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(tag, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = tag;
  }

  #pop(): void {
    const heap = this.#heap;
    const size = --this.#heapSize;
    const tag = heap[size]!;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && this.#before(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#before(heap[child]!, tag)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = tag;
  }
}

// A binary heap: what comes first is taken first. The order must decide between any two, so that it is always the same.

export class Heap<T> {
  readonly items: T[] = [];
  readonly #before: (a: T, b: T) => boolean;

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.items.length;
  }

  peek(): T | undefined {
    return this.items[0];
  }

  push(item: T): void {
    const { items } = this;
    let i = items.length;
    items.push(item);
    while (i > 0) {
      const up = (i - 1) >>> 1;
      const other = items[up]!;
      if (!this.#before(item, other)) break;
      items[i] = other;
      i = up;
    }
    items[i] = item;
  }

  pop(): T | undefined {
    const first = this.items[0];
    const last = this.items.pop();
    if (last !== undefined && this.items.length > 0) this.#sink(last, 0);
    return first;
  }

  /** Takes out one that is in it. */
  remove(item: T): void {
    const { items } = this;
    const i = items.indexOf(item);
    if (i < 0) return;
    const rest = items.splice(i + 1);
    items.pop();
    // What lay behind it is in no order any more.
    for (const one of rest) this.push(one);
  }

  #sink(item: T, from: number): void {
    const { items } = this;
    let i = from;
    for (;;) {
      let down = 2 * i + 1;
      if (down >= items.length) break;
      if (down + 1 < items.length && this.#before(items[down + 1]!, items[down]!)) down++;
      const other = items[down]!;
      if (!this.#before(other, item)) break;
      items[i] = other;
      i = down;
    }
    items[i] = item;
  }
}

// The machine's one clock: virtual nanoseconds since power-on. It moves only when somebody moves it, so two runs of the
// same machine are the same run, on any host.

export class Clock {
  #now = 0;

  get now_ns(): number {
    return this.#now;
  }

  advance(ns: number): void {
    this.#now += ns;
  }
}

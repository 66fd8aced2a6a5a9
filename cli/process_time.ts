// Time as benchmarks measure it.

/** Time of this process, in ns: what others take of the host's CPUs does not count. */
export function processTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1e3;
}

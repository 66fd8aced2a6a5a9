// What a user may have meant: the name that takes the fewest letters to get right.

const bare = (name: string): string => name.replace(/^-+/, '').replace(/=.*$/s, '').toLowerCase();

/** One of `names`, or null where none is near: a third of the letters may be wrong. Dashes do not count. */
export function nearestName(name: string, names: readonly string[]): string | null {
  const wanted = bare(name);
  let best: { name: string; distance: number } | null = null;
  for (const one of names) {
    const distance = editDistance(wanted, bare(one));
    if (distance * 3 <= bare(one).length && (best === null || distance < best.distance)) best = { name: one, distance };
  }
  return best?.name ?? null;
}

/** Letters to insert, leave out, change, or swap with their neighbour. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(change, rows[i - 1]![j]! + 1, row[j - 1]! + 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j]!, rows[i - 2]![j - 2]! + 1);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}

/** Of `names` the one that goes on like `name` for longest: three letters at least, and most of the shorter of the two. */
export function alikeName(name: string, names: readonly string[]): string | null {
  const wanted = bare(name);
  let best: { name: string; length: number } | null = null;
  for (const one of names) {
    const length = commonStart(wanted, bare(one));
    const enough = length >= 3 && length * 4 >= Math.min(wanted.length, bare(one).length) * 3;
    if (enough && (best === null || length > best.length)) best = { name: one, length };
  }
  return best?.name ?? null;
}

function commonStart(a: string, b: string): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}

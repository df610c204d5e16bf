/** Inclusive ranges of versions, ascending, disjoint and not adjacent: `[[1, 4], [7, 7]]`. */
export type VersionRanges = [from: number, to: number][];

/** How many ranges begin at or below the version. Most ask for the end; a list that somebody made long is halved. */
function countUpTo(ranges: VersionRanges, version: number): number {
  let low = 0;
  let high = ranges.length;
  if (high > 0 && ranges[high - 1]![0] <= version) return high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle]![0] <= version) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Adds one version in place; O(1) for the usual case of the next higher one. */
export function addVersion(ranges: VersionRanges, version: number): void {
  const i = countUpTo(ranges, version);
  const before = ranges[i - 1];
  if (before && version <= before[1]) return;
  const after = ranges[i];
  const joinsBefore = before !== undefined && before[1] + 1 === version;
  const joinsAfter = after !== undefined && version + 1 === after[0];
  if (joinsBefore && joinsAfter) {
    before[1] = after[1];
    ranges.splice(i, 1);
  } else if (joinsBefore) before[1] = version;
  else if (joinsAfter) after[0] = version;
  else ranges.splice(i, 0, [version, version]);
}

export function hasVersion(ranges: VersionRanges, version: number): boolean {
  const range = ranges[countUpTo(ranges, version) - 1];
  return range !== undefined && version <= range[1];
}

/** The union of both, as a new list. */
export function mergeRanges(a: VersionRanges, b: VersionRanges): VersionRanges {
  const sorted = [...a, ...b].sort((x, y) => x[0] - y[0]);
  const merged: VersionRanges = [];
  for (const [from, to] of sorted) {
    const last = merged.at(-1);
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

/** Whether parsed JSON is a list of ranges, ascending and disjoint. */
export function isVersionRanges(value: unknown): value is VersionRanges {
  if (!Array.isArray(value)) return false;
  let last = -1;
  for (const range of value as unknown[]) {
    if (!Array.isArray(range) || range.length !== 2) return false;
    const [from, to] = range as [unknown, unknown];
    if (!isVersion(from) || !isVersion(to) || from <= last || to < from) return false;
    last = to;
  }
  return true;
}

const isVersion = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value);

/** Inclusive ranges of versions, ascending, disjoint and not adjacent: `[[1, 4], [7, 7]]`. */
export type VersionRanges = [from: number, to: number][];

/** Adds one version in place; O(1) for the usual case of the next higher one. */
export function addVersion(ranges: VersionRanges, version: number): void {
  let i = ranges.length;
  while (i > 0 && ranges[i - 1]![0] > version) i--;
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
  for (let i = ranges.length - 1; i >= 0; i--) {
    const [from, to] = ranges[i]!;
    if (version > to) return false;
    if (version >= from) return true;
  }
  return false;
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

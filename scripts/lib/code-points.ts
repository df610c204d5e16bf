/** A block is split above this many UTF-16 units, so that a lookup scans little and an edit copies little. */
const MAX_BLOCK_UNITS = 1024;

interface Block {
  text: string;
  codePoints: number;
}

const isHighSurrogate = (unit: number) => unit >= 0xd800 && unit <= 0xdbff;
const isLowSurrogate = (unit: number) => unit >= 0xdc00 && unit <= 0xdfff;

/** Number of Unicode code points; a lone surrogate counts as one. */
export function countCodePoints(text: string): number {
  let count = text.length;
  for (let i = 1; i < text.length; i++) {
    if (isLowSurrogate(text.charCodeAt(i)) && isHighSurrogate(text.charCodeAt(i - 1))) {
      count--;
      i++;
    }
  }
  return count;
}

/** UTF-16 index of the code point with this number, inside one small text. */
function unitsOf(text: string, codePoints: number): number {
  let at = 0;
  for (let n = 0; n < codePoints; n++) at += text.codePointAt(at)! > 0xffff ? 2 : 1;
  return at;
}

/**
 * A text that is edited by UTF-16 index (as Yjs counts) and answers where a code point is (as traces
 * count). Blocks of a bounded size: both cost O(length / 1024 + 1024), whatever the number of astral characters.
 */
export class CodePointText {
  #blocks: Block[] = [];

  constructor(text = '') {
    this.splice(0, 0, text);
  }

  /** The UTF-16 index of a code point position. RangeError beyond the end. */
  toUnits(codePoint: number): number {
    let before = 0;
    let left = codePoint;
    for (const block of this.#blocks) {
      if (left <= block.codePoints) {
        const ascii = block.codePoints === block.text.length;
        return before + (ascii ? left : unitsOf(block.text, left));
      }
      left -= block.codePoints;
      before += block.text.length;
    }
    if (left === 0) return before;
    throw new RangeError(`Code point ${codePoint} lies beyond the end of the text.`);
  }

  /** Removes `removed` UTF-16 units at `index` and inserts `text` there. RangeError beyond the end. */
  splice(index: number, removed: number, text: string): void {
    let start = index;
    let i = 0;
    while (i < this.#blocks.length && start > this.#blocks[i]!.text.length) {
      start -= this.#blocks[i]!.text.length;
      i++;
    }
    let joined = this.#blocks[i]?.text ?? '';
    let last = i;
    while (joined.length < start + removed && last + 1 < this.#blocks.length) {
      last++;
      joined += this.#blocks[last]!.text;
    }
    if (joined.length < start + removed) throw new RangeError('The edit lies beyond the end of the text.');
    const edited = joined.slice(0, start) + text + joined.slice(start + removed);
    this.#blocks.splice(i, last - i + 1, ...blocksOf(edited));
  }

  toString(): string {
    return this.#blocks.map((block) => block.text).join('');
  }
}

function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  const size = text.length <= MAX_BLOCK_UNITS ? MAX_BLOCK_UNITS : MAX_BLOCK_UNITS / 2;
  for (let from = 0; from < text.length;) {
    let to = Math.min(from + size, text.length);
    // A pair is never cut in two, or each half would count as a code point.
    if (to < text.length && isHighSurrogate(text.charCodeAt(to - 1)) && isLowSurrogate(text.charCodeAt(to)))
      to++;
    const part = text.slice(from, to);
    blocks.push({ text: part, codePoints: countCodePoints(part) });
    from = to;
  }
  return blocks;
}

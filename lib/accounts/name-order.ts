/**
 * Names as people order and look for them: without capitals, without accents. Made of what every PostgreSQL does alike:
 * a collation of the server would order otherwise on each of them, and the embedded one has nearly none.
 */

/** Capitals that no decomposition leads to: of Latin, Greek and Cyrillic. */
const RANGES = [
  [0xc0, 0x17f],
  [0x386, 0x3ab],
  [0x400, 0x42f],
] as const;

const SMALL = new Map<string, string>();
for (const [first, last] of RANGES)
  for (let code = first; code <= last; code++) {
    const letter = String.fromCharCode(code);
    const small = letter.toLowerCase();
    if (letter.normalize('NFKD') === letter && small !== letter) SMALL.set(letter, small);
  }
const FROM = [...SMALL.keys()].join('');
const TO = [...SMALL.values()].join('');
/** Accents that stand behind their letters. */
const MARKS = '[\u0300-\u036f]';

/** What a text is ordered and found by; the same in SQL: `nameKey`. */
export function nameKeyOf(text: string): string {
  return text
    .normalize('NFKD')
    .replace(new RegExp(MARKS, 'g'), '')
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase())
    .replace(/[^\0-\x7f]/g, (letter) => SMALL.get(letter) ?? letter);
}

/** SQL of the key of a column. ASCII takes the short way: a list reads it of every name. */
export function nameKey(column: string): string {
  const plain = `regexp_replace(normalize(${column}, NFKD), '${MARKS}' collate "C", '', 'g')`;
  return `case when octet_length(${column}) = char_length(${column}) then lower(${column} collate "C")
    else translate(lower(${plain} collate "C"), '${FROM}', '${TO}') end`;
}

/** SQL of the order of names: those that differ in capitals or accents alone stand together. */
export function byName(column: string): readonly string[] {
  return [`(${nameKey(column)}) collate "C"`, `${column} collate "C"`];
}

/** SQL of "has this in its name": with `nameKeyOf` what is looked for as its param. Every name has nothing in it. */
export function hasInName(column: string): string {
  return `strpos(${nameKey(column)}, ?) > 0`;
}

import { decodeText } from './bytes.ts';

/** Deeper JSON is refused where it could overflow the stack: JSON.stringify recurses. Nothing on this wire nests so far. */
const MAX_DEPTH = 32;

/*
 * What V8 spends at most on a value that JSON.parse makes, in bytes (measured on Node 24, rounded up). A key may
 * need a hidden class of its own. Text costs two bytes a character at most.
 */
const COST = { object: 64, array: 48, key: 192, scalar: 16, string: 32 } as const;

/** The estimate may be this much beyond 2 x the characters; with the text itself that stays below 4 x + 64 kB. */
const FREE_COST = 48 * 1024;

const isDigit = (code: number) => code >= 0x30 && code <= 0x39;
const isSpace = (code: number) => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
const isHexDigit = (code: number) =>
  isDigit(code) || (code >= 0x41 && code <= 0x46) || (code >= 0x61 && code <= 0x66);
/** The characters behind a backslash, without `u`: " \ / b f n r t */
const ESCAPES = new Set([0x22, 0x5c, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74]);

/** Walks over JSON without making its values, so that a small text cannot make a large object. */
class JsonScanner {
  readonly #text: string;
  #at = 0;
  cost = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** True when the whole text is one JSON value. */
  scan(): boolean {
    if (!this.#value(0)) return false;
    this.#space();
    return this.#at === this.#text.length;
  }

  #peek(): number {
    return this.#text.charCodeAt(this.#at); // NaN at the end, which equals nothing
  }

  #space(): void {
    while (isSpace(this.#peek())) this.#at++;
  }

  #take(character: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #value(depth: number): boolean {
    if (depth > MAX_DEPTH) return false;
    this.#space();
    switch (this.#text[this.#at]) {
      case '{':
        return this.#members(depth, '}');
      case '[':
        return this.#members(depth, ']');
      case '"':
        this.cost += COST.string;
        return this.#string();
      case 't':
        return this.#word('true');
      case 'f':
        return this.#word('false');
      case 'n':
        return this.#word('null');
      default:
        this.cost += COST.scalar;
        return this.#number();
    }
  }

  #members(depth: number, end: '}' | ']'): boolean {
    const isObject = end === '}';
    this.cost += isObject ? COST.object : COST.array;
    this.#at++;
    if (this.#take(end)) return true;
    do {
      if (isObject && !this.#key()) return false;
      if (!this.#value(depth + 1)) return false;
    } while (this.#take(','));
    return this.#take(end);
  }

  #key(): boolean {
    this.cost += COST.key;
    this.#space();
    return this.#peek() === 0x22 && this.#string() && this.#take(':');
  }

  #word(word: string): boolean {
    this.cost += COST.scalar;
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  #string(): boolean {
    for (this.#at++; this.#at < this.#text.length; this.#at++) {
      const code = this.#peek();
      if (code === 0x22) {
        this.#at++;
        return true;
      }
      if (code < 0x20) return false;
      if (code === 0x5c && !this.#escape()) return false;
    }
    return false;
  }

  /** Leaves the place at the last character of the escape. */
  #escape(): boolean {
    this.#at++;
    if (this.#peek() !== 0x75) return ESCAPES.has(this.#peek());
    for (let i = 0; i < 4; i++) {
      this.#at++;
      if (!isHexDigit(this.#peek())) return false;
    }
    return true;
  }

  #digits(): boolean {
    const from = this.#at;
    while (isDigit(this.#peek())) this.#at++;
    return this.#at > from;
  }

  #number(): boolean {
    if (this.#text[this.#at] === '-') this.#at++;
    if (this.#text[this.#at] === '0') this.#at++;
    else if (!this.#digits()) return false;
    if (this.#text[this.#at] === '.') {
      this.#at++;
      if (!this.#digits()) return false;
    }
    if (this.#text[this.#at] === 'e' || this.#text[this.#at] === 'E') {
      this.#at++;
      if (this.#text[this.#at] === '+' || this.#text[this.#at] === '-') this.#at++;
      if (!this.#digits()) return false;
    }
    return true;
  }
}

/** Up to here the worst JSON stays within the bound: it is parsed without being scanned, which costs twice as much. */
const SMALL_CHARACTERS = 1024;

export type ParsedJson = { ok: true; value: unknown } | { ok: false; problem: string };

/**
 * For text that JSON.stringify wrote: whether it is read again. Not every JSON that was read is: it may have grown
 * beyond what is parsed without a look at its depth, or have lost the spaces that allowed it so many keys.
 */
export function isReadableAgain(text: string): boolean {
  if (text.length <= SMALL_CHARACTERS) return true;
  const scanner = new JsonScanner(text);
  return scanner.scan() && scanner.cost <= 2 * text.length + FREE_COST;
}

function parse(text: string): ParsedJson {
  if (!isReadableAgain(text))
    return { ok: false, problem: 'is not JSON, or too deep or too large when parsed' };
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return { ok: false, problem: 'is not JSON' };
  }
}

/** True for JSON whose parsed form is bounded by 4 x its size + 64 kB. */
export function isBoundedJson(text: string): boolean {
  return parse(text).ok;
}

/** Parses UTF-8 JSON from outside; refuses, with words that follow "The metadata …", what would not be bounded. */
export function parseBoundedJson(bytes: Uint8Array): ParsedJson {
  const text = decodeText(bytes);
  return text === undefined ? { ok: false, problem: 'is not UTF-8' } : parse(text);
}

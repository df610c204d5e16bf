/** Shorter ones stand everywhere by chance. */
const MIN_LENGTH = 8;

/** What may stand in no log, in whatever form it is written there. */
export class KnownSecrets {
  readonly #names = new Map<string, string>();

  /** `name` says what it is when it is found. */
  add(name: string, value: string | null | undefined): void {
    if (value && value.length >= MIN_LENGTH) this.#names.set(value, name);
  }

  get size(): number {
    return this.#names.size;
  }

  /** What was found, as `name in line`, the secret itself left out. */
  foundIn(lines: readonly string[]): string[] {
    const text = lines.join('\n');
    const found: string[] = [];
    for (const [value, name] of this.#names) {
      const form = formsOf(value).find((candidate) => text.includes(candidate));
      const line = form && lines.find((candidate) => candidate.includes(form));
      if (form) found.push(`${name} in ${(line ?? '').replaceAll(form, '…').slice(0, 300)}`);
    }
    return found;
  }
}

/** As text, as bytes in JSON or in hex, and in base64, where the beginning and the end depend on what stands beside it. */
function formsOf(value: string): string[] {
  const bytes = Buffer.from(value);
  const inBase64 = [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replaceAll('=', '');
    return text.slice(before === 0 ? 0 : before + 1, -2);
  });
  return [value, encodeURIComponent(value), bytes.join(','), bytes.toString('hex'), ...inBase64];
}

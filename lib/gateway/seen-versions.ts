import { addVersion, hasVersion, type VersionRanges } from '../protocol/ranges.ts';

/** Writers whose versions are remembered. */
const MAX_WRITERS = 4096;
/** Of each; one that sends without gaps needs one. */
const MAX_RANGES = 1024;

/** Versions that a follow has delivered, by writer. Bounded: a repeat of a forgotten one is delivered again, which is harmless. */
export class SeenVersions {
  readonly #byWriter = new Map<string, VersionRanges>();

  /** Remembers the version; false when it is known already. */
  add(writer: string, version: number): boolean {
    const seen = this.#versionsOf(writer);
    if (hasVersion(seen, version)) return false;
    addVersion(seen, version);
    if (seen.length > MAX_RANGES) seen.shift();
    return true;
  }

  clear(): void {
    this.#byWriter.clear();
  }

  #versionsOf(writer: string): VersionRanges {
    let versions = this.#byWriter.get(writer);
    if (!versions) {
      this.#byWriter.set(writer, (versions = []));
      if (this.#byWriter.size > MAX_WRITERS) {
        const [oldest] = this.#byWriter.keys();
        this.#byWriter.delete(oldest!);
      }
    }
    return versions;
  }
}

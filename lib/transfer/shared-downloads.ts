import type { BlobReference } from './port.ts';

/** Names for byte strings that are offered again and again: one cached state answers hundreds of joins. */
export class ContentNames {
  readonly #randomId: () => string;
  readonly #names = new WeakMap<Uint8Array, string>();

  constructor(randomId: () => string) {
    this.#randomId = randomId;
  }

  of(bytes: Uint8Array): string {
    let name = this.#names.get(bytes);
    if (!name) this.#names.set(bytes, (name = this.#randomId()));
    return name;
  }
}

export interface DownloadActions {
  download: () => Promise<Uint8Array>;
  /** Called when the own ticket is not needed. */
  release: () => void;
}

/**
 * What has been fetched, as long as somebody uses it: the same content is fetched once and is in memory once, however
 * many joins it serves. Nothing is kept for later.
 */
export class SharedDownloads {
  readonly #underWay = new Map<string, Promise<Uint8Array>>();
  readonly #held = new Map<string, WeakRef<Uint8Array>>();
  readonly #gone = new FinalizationRegistry<string>((key) => {
    if (!this.#held.get(key)?.deref()) this.#held.delete(key);
  });

  /** Must not be changed by anybody, since others have the same bytes. */
  async get({ url, content }: BlobReference, { download, release }: DownloadActions): Promise<Uint8Array> {
    if (content === undefined) return download();
    const key = `${url} ${content}`;
    const underWay = this.#underWay.get(key);
    const held = this.#held.get(key)?.deref();
    if (!underWay && !held) return this.#start(key, download);
    // Another one's failure (its ticket, its time limit) is not this one's.
    const shared = held ?? (await underWay?.catch(() => undefined));
    if (!shared) return download();
    release();
    return shared;
  }

  #start(key: string, download: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const started = download()
      .then((bytes) => {
        this.#held.set(key, new WeakRef(bytes));
        this.#gone.register(bytes, key);
        return bytes;
      })
      .finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, started);
    return started;
  }
}

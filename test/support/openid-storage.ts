import type { Adapter, AdapterPayload } from 'oidc-provider';

/** What an OpenID provider of the tests keeps, as long as it runs. Entries are looked at for their end by the provider. */
export class OpenIdStorage {
  readonly #entries = new Map<string, AdapterPayload>();

  /** For one kind of entry. */
  adapter(kind: string): Adapter {
    const entries = this.#entries;
    const keyOf = (id: string) => `${kind} ${id}`;
    const findBy = (field: 'uid' | 'userCode', value: string) =>
      [...entries].find(([key, payload]) => key.startsWith(`${kind} `) && payload[field] === value)?.[1];
    return {
      upsert: async (id, payload) => void entries.set(keyOf(id), payload),
      find: async (id) => entries.get(keyOf(id)),
      findByUid: async (uid) => findBy('uid', uid),
      findByUserCode: async (userCode) => findBy('userCode', userCode),
      async consume(id) {
        const payload = entries.get(keyOf(id));
        if (payload) payload.consumed = Math.floor(Date.now() / 1_000);
      },
      destroy: async (id) => void entries.delete(keyOf(id)),
      async revokeByGrantId(grantId) {
        for (const [key, payload] of entries) if (payload.grantId === grantId) entries.delete(key);
      },
    };
  }
}

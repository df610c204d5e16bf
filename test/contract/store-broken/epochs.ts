import type { Breaks } from './break.ts';

export const epochsBreaks: Breaks = {
  'gives a new epoch to a changed identity in silence': {
    fails: 'a known topic with another identity or partition count is refused until it is adopted',
    make: (store) => ({ epochOf: (identity) => store.adoptEpoch(identity) }),
  },
  'gives each asker an epoch': {
    fails: 'an epoch is given once to an identity, whoever asks',
    make: (store) => ({
      epochOf: async (identity) =>
        store.epochOf({ ...identity, topic: `${identity.topic}-${Math.random()}` }),
    }),
  },
  'begins an adopted epoch without what was before': {
    fails: 'an adopted epoch goes on with what earlier ones stored',
    make: (store) => ({
      load: async (request) => {
        const { snapshot, ...state } = await store.load(request);
        const updates = state.updates.filter((row) => row.epoch === request.epoch);
        return snapshot?.epoch === request.epoch ? { ...state, updates, snapshot } : { ...state, updates };
      },
    }),
  },
  'does not answer': {
    fails: 'it answers a ping',
    make: () => ({ ping: async () => false }),
  },
};

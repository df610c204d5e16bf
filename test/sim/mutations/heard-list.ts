import type { Mutation } from './list.ts';

const HEARD =
  'small print, join: no answer lies before the highest position that the page says to have heard of';

/*
 * None for max(E, S), which takes the tag of a state down to E when the store is ahead: 1,500 schedules of faults and
 * 386 of returning pages have not seen it. The state then holds more than it says, what it holds comes once more, and
 * that is harmless. It could show where a barrier lies between E and S: a gateway whose first answer says a generation
 * before its barrier passes over the barrier, and a page whose older answer comes right behind it would not hear of it.
 */

/** Faults that show when pages come back to gateways that lag behind what the pages have heard of. */
export const HEARD_MUTATIONS: readonly Mutation[] = [
  {
    name: 'join-that-does-not-say-what-it-heard-of',
    kind: 'rare',
    breaks: HEARD,
    patches: [{ file: 'lib/provider/join-request.ts', find: '...(heard ? { heard } : {}),', replace: '' }],
  },
  {
    name: 'answer-from-before-what-was-heard-of',
    kind: 'returns',
    breaks: HEARD,
    patches: [
      {
        file: 'lib/sync/answer.ts',
        find: '!isAhead(request.heard, state.position) && ',
        replace: '',
      },
    ],
  },
  {
    name: 'ring-that-passes-over-what-was-heard-of',
    kind: 'rare',
    breaks: HEARD,
    patches: [{ file: 'lib/gateway/ring-answer.ts', find: ' || (heard && !isKnown(heard))', replace: '' }],
  },
];

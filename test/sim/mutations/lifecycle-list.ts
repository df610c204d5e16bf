import type { Mutation } from './list.ts';

/** Faults that show when documents are deleted, made again and replaced, or when the log refuses an update for good. */
export const LIFECYCLE_MUTATIONS: readonly Mutation[] = [
  {
    name: 'appended-up-to-the-highest',
    kind: 'lifecycle',
    breaks: 'small print, settling: `appended` names exactly, what was refused is not among it',
    patches: [
      {
        file: 'lib/provider/update-queue.ts',
        find: 'filter((version) => hasVersion(appended, version));',
        replace: 'filter((version) => version <= (appended.at(-1)?.[1] ?? 0));',
      },
    ],
  },
  {
    name: 'join-answers-appended-up-to-the-highest',
    kind: 'lifecycle',
    breaks: 'small print, settling: a join’s `appended` names exactly what is in the log',
    patches: [
      {
        file: 'lib/sync/answer.ts',
        find: "kind: 'full', stateVector: state.stateVector, appended, update };",
        replace:
          "kind: 'full', stateVector: state.stateVector, update, appended: appended.length > 0 ? [[1, appended.at(-1)[1]]] : [] };",
      },
    ],
  },
  {
    name: 'old-copy-goes-on',
    kind: 'lifecycle',
    breaks: 'rule 14: a copy of an earlier generation is replaced, not uploaded',
    patches: [
      {
        file: 'lib/provider/state-intake.ts',
        find: 'return this.#onOtherGeneration(attempt, state);',
        replace: 'void this.#onOtherGeneration;',
      },
    ],
  },
  {
    name: 'copy-of-an-unknown-generation-is-uploaded',
    kind: 'lifecycle',
    breaks:
      'small print, kept copies: one without a position goes only into a document that never had a barrier',
    patches: [
      {
        file: 'lib/provider/state-intake.ts',
        find: 'if (this.#isOfUnknownGeneration(position, server)) {',
        replace: 'if (attempt === undefined) {',
      },
    ],
  },
  {
    name: 'deleted-document-is-joined',
    kind: 'lifecycle',
    breaks: 'rule 14: who joins a deleted document is refused',
    patches: [
      {
        file: 'lib/gateway/joins.ts',
        find: 'if (log.isGone(state)) {',
        replace: 'if (state === undefined) {',
      },
    ],
  },
  {
    name: 'operation-done-again',
    kind: 'lifecycle',
    breaks: 'rule 14: an operation that is asked for again finds in the log what it has done',
    patches: [
      {
        file: 'lib/lifecycle/document-operations.ts',
        find: 'const own = view.generations.find((row) => row.key === key);',
        replace: 'const own = attempt > 1 ? view.generations.find((row) => row.key === key) : undefined;',
      },
    ],
  },
  {
    name: 'snapshots-outlive-the-deletion',
    kind: 'lifecycle',
    breaks: 'rule 14: deletion reaches rows, snapshots and quarantine',
    patches: [
      {
        file: 'lib/store/memory-lifecycle.ts',
        find: 'filter(({ generation }) => generation > deletion.generation);',
        replace: 'filter(() => true);',
      },
    ],
  },
];

import type { ScheduleKind } from '../world/schedule.ts';
import { HEARD_MUTATIONS } from './heard-list.ts';
import { LIFECYCLE_MUTATIONS } from './lifecycle-list.ts';

/** A fault put into the code on purpose: in this file, this text, which stands there once, becomes that one. */
export interface Patch {
  file: string;
  find: string;
  replace: string;
}

export interface Mutation {
  name: string;
  /** Schedules in which it shows; faults when it is absent. */
  kind?: ScheduleKind;
  /** What the rule is that it breaks. */
  breaks: string;
  patches: readonly Patch[];
}

/** The simulator has to find each of these. They are applied when modules are loaded; the product knows nothing of them. */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'ack-on-the-produce-answer',
    breaks: 'rule 1: the ack is sent when the own follow has delivered the record',
    patches: [
      {
        file: 'lib/gateway/appender.ts',
        find: 'await this.#parts.stream.append(target, [record], options);',
        replace: 'return (await this.#parts.stream.append(target, [record], options))[0];',
      },
      {
        file: 'lib/gateway/update-attempts.ts',
        find: 'const appended = () => {',
        replace: `const appended = (offset) => {
      const { generation, epoch } = document.log;
      if (epoch !== undefined && subscription.isLive) {
        const { version } = update;
        const position = { generation, epoch, partition: document.target.partition, offset };
        const ack = { version, position, previous: subscription.sent?.offset ?? -1 };
        subscription.versions.settle(version);
        subscription.outbox.send(subscription, shareFrame(encodeAcks(document.address, [ack])), position);
      }`,
      },
      {
        file: 'lib/gateway/update-attempts.ts',
        find: "import type { Clock } from '../clock.ts';",
        replace: `import type { Clock } from '../clock.ts';
import { encodeAcks } from '../protocol/frames.ts';
import { shareFrame } from './shared-frame.ts';`,
      },
    ],
  },
  {
    name: 'position-without-previous',
    kind: 'rare',
    breaks: 'rule 7: a position moves only over an entry whose `previous` it has reached',
    patches: [
      {
        file: 'lib/provider/position-tracker.ts',
        find: "return previous <= own.offset ? 'next' : 'gap';",
        replace: "return previous < Infinity ? 'next' : 'gap';",
      },
    ],
  },
  {
    name: 'store-read-in-two-steps',
    breaks: 'rule 6: snapshot, rows and S come from one transaction',
    patches: [
      {
        file: 'test/sim/parts/store.ts',
        find: "if (name === 'exportHistory')",
        replace: `if (name === 'load')
        return async (request: LoadRequest) => {
          const state = await call(parts, 'load', () => target.load(request));
          const { storedThrough } = await call(parts, 'load', () => target.load(request));
          return { ...state, storedThrough };
        };
      if (name === 'exportHistory')`,
      },
    ],
  },
  {
    name: 'merged-resend',
    breaks: 'small print, settling: what has a version is sent again unmerged, byte for byte',
    patches: [
      {
        file: 'lib/provider/outgoing.ts',
        find: 'for (const entry of unsent) entry.isSent = true;',
        replace: `if (unsent.length > 1) {
      const [first] = unsent;
      const update = mergeUpdates(unsent.map((entry) => entry.update));
      for (const entry of unsent.slice(1)) this.queue.settle(entry.version);
      first.isSent = true;
      this.#armStalled();
      const payload = encodeSyncPayload(SyncMessageType.Update, update);
      return [encodeKafkaEnvelope(this.#metadata({ version: first.version, generation }), payload)];
    }
    for (const entry of unsent) entry.isSent = true;`,
      },
      {
        file: 'lib/provider/outgoing.ts',
        find: "import { Backoff } from './backoff.ts';",
        replace: "import { Backoff } from './backoff.ts';\nimport { mergeUpdates } from './lacking.ts';",
      },
    ],
  },
  {
    name: 'no-dedupe-in-the-store',
    breaks: 'rule 8: of rows with one retry key only the first has a payload',
    patches: [
      {
        file: 'lib/store/plan.ts',
        find: 'const first = retry === undefined ? undefined : firsts.get(retry);',
        replace: 'const first = undefined as LogPoint | undefined;',
      },
    ],
  },
  {
    name: 'barrier-only-on-the-control-topic',
    breaks: 'rule 14: a generation begins with a record in the document’s own partition',
    patches: [
      {
        file: 'lib/gateway/document-log.ts',
        find: 'if (control.value.generation <= this.#generation) return undefined;',
        replace: 'if (control.value.generation > 0) return undefined;',
      },
    ],
  },
  {
    name: 'batch-without-check',
    kind: 'rare',
    breaks: 'rule 8: a batch begins exactly at the stored position',
    patches: [
      {
        file: 'lib/store/memory.ts',
        find: 'if (stored !== batch.fetchOffset) return',
        replace: 'if (stored < 0) return',
      },
    ],
  },
  {
    name: 'snapshot-of-an-earlier-generation',
    breaks: 'small print, generation: a snapshot made before a barrier is not used after it',
    patches: [
      {
        file: 'lib/store/memory-rows.ts',
        find: '(snapshot) => snapshot.generation === found.state.generation && isWanted(snapshot),',
        replace: '(snapshot) => isWanted(snapshot),',
      },
    ],
  },
  {
    name: 'live-before-the-state',
    breaks: 'rule 6: what the ring holds behind a state is sent before live delivery begins',
    patches: [
      {
        file: 'lib/gateway/state-delivery.ts',
        find: 'sendWhole(subscription, held);',
        replace: 'void sendWhole;',
      },
      {
        file: 'lib/provider/position-tracker.ts',
        find: "return previous <= own.offset ? 'next' : 'gap';",
        replace: "return previous < Infinity ? 'next' : 'gap';",
      },
    ],
  },
  {
    name: 'follow-that-hides-its-new-beginning',
    breaks: 'rule 7: every entry carries `previous`, the entry delivered before it',
    patches: [
      {
        file: 'lib/gateway/partition-follower.ts',
        find: 'await this.#begin(() => this.#listener.onReset(this.heldAfter));',
        replace: 'await this.#begin(() => undefined);',
      },
    ],
  },
  {
    name: 'owed-for-ever',
    kind: 'rare',
    breaks: 'small print, n+1: what an earlier generation owes holds back nothing',
    patches: [
      {
        file: 'lib/gateway/client-versions.ts',
        find: 'if (generation <= this.#generation) return;',
        replace: 'if (generation > 0) return;',
      },
    ],
  },
  {
    name: 'repeat-becomes-owed',
    kind: 'rare',
    breaks: 'small print, n+1: what the log has delivered is owed no longer',
    patches: [
      {
        file: 'lib/gateway/client-versions.ts',
        find: 'if (hasVersion(this.#settled, version)) return;',
        replace: '',
      },
    ],
  },
  {
    name: 'nack-with-another-position',
    kind: 'rare',
    breaks: 'small print, permanent nacks: GENERATION_CHANGED carries the barrier’s position',
    patches: [
      {
        file: 'lib/gateway/update-door.ts',
        find: 'details: { position: closed.position } };',
        replace: 'details: { position: closed.position ?? subscription.sent } };',
      },
    ],
  },
  {
    name: 'previous-from-before-the-first-answer',
    kind: 'rare',
    breaks: 'rule 7: `previous` is the entry that this follow delivered before, or where its hosting began',
    patches: [
      {
        file: 'lib/gateway/document-log.ts',
        find: 'this.#previous = Math.max(this.#previous, this.#ring.heldAfter);',
        replace: '',
      },
    ],
  },
  {
    name: 'state-given-up-and-forgotten',
    kind: 'rare',
    breaks: 'small print, join: a state that is not taken has to be asked for again',
    patches: [
      {
        file: 'lib/provider/state-intake.ts',
        find: "if (!joins.isActive) joins.want('resume');\n      return;",
        replace: 'return;',
      },
    ],
  },
  ...LIFECYCLE_MUTATIONS,
  ...HEARD_MUTATIONS,
];

import * as Y from 'yjs';
import { isAppError } from '../../../lib/errors.ts';
import type { DocumentOperations } from '../../../lib/lifecycle/document-operations.ts';
import type { OperationResult } from '../../../lib/lifecycle/operation.ts';
import type { SimProcess } from '../engine/process.ts';
import type { Operation } from './schedule.ts';
import type { PersisterNode } from './nodes.ts';
import type { World } from './world.ts';

/** An operation that somebody has asked for, and what has become of it. */
export interface AskedOperation extends Operation {
  key: string;
  /** What the document had when it was asked for. */
  expectedGeneration: number;
  /** With replace: what the document is to have. */
  state?: Uint8Array;
  /** Absent until somebody has answered. */
  outcome?: OperationResult['outcome'] | 'conflict';
}

/** Without an answer the operation is asked for again, with the same key, of the other process. */
const PATIENCE_MS = 4_000;
const GONE_MS = 1_000;

/** Somebody who deletes, makes again and replaces documents, and does not give up. */
export class Operator {
  readonly asked: AskedOperation[] = [];
  readonly #world: World;
  readonly #process: SimProcess;

  constructor(world: World, process: SimProcess) {
    this.#world = world;
    this.#process = process;
  }

  get isWaiting(): boolean {
    return this.asked.some(({ outcome }) => !outcome);
  }

  ask(operation: Operation): void {
    const state = operation.from && this.#stateOf(operation);
    const asked: AskedOperation = {
      ...operation,
      key: `operation-${this.asked.length}`,
      expectedGeneration: this.#world.lifeOf(this.#world.documents[operation.document]!).generation,
      ...(state ? { state } : {}),
    };
    this.asked.push(asked);
    this.#try(asked, operation.persister);
  }

  #stateOf({ document, from }: Operation): Uint8Array {
    const { clients, documents } = this.#world;
    if (from && 'client' in from)
      return Y.encodeStateAsUpdate(clients[from.client]!.doc(documents[document]!));
    const doc = new Y.Doc({ guid: 'operator' });
    doc.clientID = this.#world.nextClientId();
    // One by one and each before the others: so many structs.
    for (let left = from?.letters ?? 0; left > 0; left--) doc.getText('t').insert(0, 'r');
    return Y.encodeStateAsUpdate(doc);
  }

  #try(asked: AskedOperation, persister: number): void {
    const { counters, scheduler } = this.#world;
    const { random } = this.#process;
    const { process, operations } = this.#world.node(`persister${persister}`) as PersisterNode;
    let isOver = false;
    const end = (label: string, delayMs: number, work: () => void) =>
      this.#process.after(delayMs, label, () => {
        if (isOver) return;
        isOver = true;
        work();
      });
    const again = () => {
      counters.count('operation-asked-again');
      this.#try(asked, 1 - persister);
    };
    end('operation unanswered', PATIENCE_MS, again);
    if (process.isDead) return end('operation failed', random.next() * GONE_MS, again);
    const run = () =>
      void perform(operations!, this.#world, asked).then(
        ({ outcome }) => end('operation answer', random.delay(3, 40), () => this.#answered(asked, outcome)),
        (error: unknown) =>
          end('operation failed', random.delay(3, 400), () =>
            isAppError(error, 'GENERATION_CONFLICT') ? this.#answered(asked, 'conflict') : again(),
          ),
      );
    scheduler.after(random.delay(3, 40), 'operation', run, process);
  }

  #answered(asked: AskedOperation, outcome: NonNullable<AskedOperation['outcome']>): void {
    asked.outcome = outcome;
    this.#world.counters.count(`operation ${asked.operation} ${outcome}`);
  }
}

function perform(operations: DocumentOperations, world: World, asked: AskedOperation) {
  const { key, state, operation, expectedGeneration } = asked;
  const request = { document: world.idOf(world.documents[asked.document]!), key, expectedGeneration };
  if (operation === 'replace') return operations.replace({ ...request, state: state! });
  return operations[operation](request);
}

import { ContentRemover } from '../../../lib/lifecycle/content-remover.ts';
import { ControlFollow } from '../../../lib/lifecycle/control-follow.ts';
import { DocumentOperations } from '../../../lib/lifecycle/document-operations.ts';
import { DocumentReader } from '../../../lib/lifecycle/document-view.ts';
import type { Codec } from '../../../lib/codec/port.ts';
import { documentKey } from '../../../lib/protocol/ids.ts';
import { DEFAULT_LIMITS } from '../../../lib/protocol/limits.ts';
import type { PersistenceAdapter } from '../../../lib/store/port.ts';
import type { Stream } from '../../../lib/stream/port.ts';
import type { JoinSource } from '../../../lib/sync/join.ts';
import type { Epochs } from '../../../lib/sync/epochs.ts';
import type { SimProcess } from '../engine/process.ts';
import type { Surroundings } from './nodes.ts';

interface OperationsParts {
  around: Surroundings;
  stream: Stream;
  store: PersistenceAdapter;
  epochs: Epochs;
  codec: Codec;
}

/** Above it the state of a replacement is cut; its records fit into every log. */
const MAX_PART_BYTES = 700;
/** Few, so that removing what there is takes several steps. */
const REMOVE_ROWS = 3;
const REMOVE_SWEEP_MS = 1_500;

/** As the persister service has them: operations on documents, and what takes the content of deleted ones away. */
export function startLifecycle({ clock }: SimProcess, parts: OperationsParts): DocumentOperations {
  const { stream, store, epochs, codec } = parts;
  const { topics, logger, config } = parts.around;
  const remover = new ContentRemover({
    store,
    clock,
    logger,
    sweepMs: REMOVE_SWEEP_MS,
    maxRows: REMOVE_ROWS,
  });
  remover.start();
  return new DocumentOperations({
    stream,
    reader: new DocumentReader({
      stream,
      store,
      topics,
      epochs,
      limits: DEFAULT_LIMITS,
      maxReadBytes: config.tailBytes,
    }),
    codec,
    controlTopic: topics.controlTopic,
    maxUpdateBytes: MAX_PART_BYTES,
    clock,
    logger,
  });
}

/** As the fastsync service does: what was computed before a change leaves its memory. */
export function followChanges({ clock }: SimProcess, { stream, source, around }: FollowParts): void {
  const { topics, logger } = around;
  const changes = new ControlFollow({
    stream,
    controlTopic: topics.controlTopic,
    clock,
    logger,
    onChange: ({ document }) => source.forget(documentKey(document)),
    onGap: () => source.forget(),
  });
  void changes.start();
}

interface FollowParts {
  stream: Stream;
  source: JoinSource;
  around: Surroundings;
}

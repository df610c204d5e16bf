import type { ServiceBroker } from 'moleculer';
import type { BlobReference } from '../transfer/port.ts';
import type { DocumentId } from '../protocol/ids.ts';
import type { Position } from '../protocol/position.ts';
import type { RecordPlace } from '../store/operations.ts';

/** Params and answers of the actions that services call on each other. `ctx.call` itself accepts anything. */
export interface Actions {
  'codec.documents.fold': {
    params: { document: DocumentId; epoch: number; partition: number; fromRows?: boolean };
    answer: {
      position: Position;
      stateVector: Uint8Array;
      update?: Uint8Array;
      blob?: BlobReference;
      rejected?: RecordPlace[];
    } | null;
  };
  'gateway.addresses.get': { params: Record<string, never>; answer: { url: string } };
}

export interface CallOptions {
  timeoutMs?: number;
  retries?: number;
}

export function call<K extends keyof Actions>(
  broker: ServiceBroker,
  action: K,
  params: Actions[K]['params'],
  options: CallOptions = {},
): Promise<Actions[K]['answer']> {
  return broker.call(action, params, {
    ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs }),
    ...(options.retries === undefined ? {} : { retries: options.retries }),
  }) as Promise<Actions[K]['answer']>;
}

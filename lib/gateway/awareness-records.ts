import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { encodeAwarenessUpdate, splitAwarenessStates, type AwarenessState } from '../protocol/awareness.ts';
import { encodeAwarenessPayload, encodeKafkaEnvelope } from '../protocol/envelope.ts';
import { encodeEphemeral } from '../protocol/frames.ts';
import { ProtocolMessageType } from '../protocol/message-types.ts';
import { createMetadata } from '../protocol/metadata.ts';
import type { TopicResolver } from '../stream/topics.ts';
import type { Appender } from './appender.ts';
import type { HostedDocument } from './hosted-document.ts';
import { RecordHeader } from './record-headers.ts';

export interface AwarenessRecordsParts {
  appender: Pick<Appender, 'append'>;
  topics: TopicResolver;
  clock: Clock;
  logger: Logger;
  gatewayId: string;
}

const EMPTY_QUERY = Uint8Array.of(ProtocolMessageType.QueryAwareness);

/** Awareness states as the gateway writes them: for the sockets, and for the awareness topic, where they may be lost. */
export class AwarenessRecords {
  readonly #parts: AwarenessRecordsParts;

  constructor(parts: AwarenessRecordsParts) {
    this.#parts = parts;
  }

  /** Tells the other gateways. */
  append(document: HostedDocument, states: readonly AwarenessState[]): void {
    for (const part of splitAwarenessStates(states))
      this.#append(
        document,
        ProtocolMessageType.Awareness,
        encodeAwarenessPayload(encodeAwarenessUpdate(part)),
      );
  }

  /** Asks the other gateways for what they have. */
  ask(document: HostedDocument): void {
    this.#append(document, ProtocolMessageType.QueryAwareness, EMPTY_QUERY);
  }

  frameOf(document: HostedDocument, states: readonly AwarenessState[]): Uint8Array {
    return encodeEphemeral(
      [...splitAwarenessStates(states)].map((part) =>
        this.#envelopeOf(document, encodeAwarenessPayload(encodeAwarenessUpdate(part))),
      ),
    );
  }

  #append(document: HostedDocument, type: ProtocolMessageType, payload: Uint8Array): void {
    const { appender, topics, gatewayId, logger } = this.#parts;
    const record = {
      key: document.key,
      value: this.#envelopeOf(document, payload),
      headers: {
        [RecordHeader.Sender]: gatewayId,
        [RecordHeader.Type]: String(type),
        [RecordHeader.Gateway]: gatewayId,
      },
    };
    appender
      .append(topics.target('awareness', document.id), () => topics.spec('awareness', document.id), record, {
        durability: 'droppable',
      })
      // Awareness may be lost: its clients renew it.
      .catch((error: unknown) => logger.debug({ err: error }, 'awareness not appended'));
  }

  #envelopeOf(document: HostedDocument, payload: Uint8Array): Uint8Array {
    const { tenantId } = document.id;
    const metadata = createMetadata({
      ...document.address,
      tenantId,
      senderId: this.#parts.gatewayId,
      version: 0,
      timestamp: this.#parts.clock.wallTime(),
    });
    return encodeKafkaEnvelope(metadata, payload);
  }
}

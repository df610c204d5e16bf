import { tryDecodeControl, tryDecodeEnvelope, tryDecodeSync } from '../protocol/envelope.ts';
import type { ProtocolFailure } from '../protocol/failures.ts';
import { ProtocolMessageType, SyncMessageType } from '../protocol/message-types.ts';
import type { Metadata } from '../protocol/metadata.ts';
import type { CheckVerdict, Codec } from './port.ts';

export type Inspection =
  | { ok: false; failure: ProtocolFailure }
  | {
      ok: true;
      metadata: Metadata;
      messageType: string;
      contentBytes: number;
      syncType?: string;
      updateBytes?: number;
      verdict?: CheckVerdict;
      control?: unknown;
    };

const nameIn = (names: Record<string, number>, value: number): string =>
  Object.keys(names).find((name) => names[name] === value) ?? String(value);

/** What an envelope says, for operators; its content is judged, not shown. Never throws. */
export async function inspectEnvelope(codec: Codec, bytes: Uint8Array): Promise<Inspection> {
  const envelope = tryDecodeEnvelope(bytes);
  if (!envelope.ok) return { ok: false, failure: envelope.failure };
  const { metadata, type, content } = envelope.value;
  const found = {
    ok: true as const,
    metadata,
    messageType: nameIn(ProtocolMessageType, type),
    contentBytes: content.byteLength,
  };
  if (type === ProtocolMessageType.Control) {
    const control = tryDecodeControl(content);
    return control.ok ? { ...found, control: control.value } : { ok: false, failure: control.failure };
  }
  if (type !== ProtocolMessageType.Sync) return found;
  const sync = tryDecodeSync(content);
  if (!sync.ok) return { ok: false, failure: sync.failure };
  const syncType = nameIn(SyncMessageType, sync.value.type);
  if (sync.value.type === SyncMessageType.Step1) return { ...found, syncType };
  const { body } = sync.value;
  return { ...found, syncType, updateBytes: body.byteLength, verdict: await codec.check(body) };
}

/** Message types of the payload. 0–3 are y-websocket's, 4 is ours. */
export const ProtocolMessageType = {
  Sync: 0,
  Awareness: 1,
  Auth: 2,
  QueryAwareness: 3,
  Control: 4,
} as const;
export type ProtocolMessageType = (typeof ProtocolMessageType)[keyof typeof ProtocolMessageType];

/** Inner types of a sync message, as y-protocols/sync writes them. */
export const SyncMessageType = { Step1: 0, Step2: 1, Update: 2 } as const;
export type SyncMessageType = (typeof SyncMessageType)[keyof typeof SyncMessageType];

export function isProtocolMessageType(value: number): value is ProtocolMessageType {
  return value >= ProtocolMessageType.Sync && value <= ProtocolMessageType.Control;
}

import type { DocumentAddress, Metadata, Nack } from '../protocol/index.ts';
import type { ProtocolMessageEvent } from './connection-events.ts';
import type { ProtocolConnection } from './connection.ts';
import type { ManagerEvents } from './events.ts';
import type { RoomPresence } from './presence.ts';
import type { ProtocolProcessing } from './processing.ts';

export interface RouteTargets {
  presence: RoomPresence;
  processings: () => Iterable<ProtocolProcessing>;
  find: (address: DocumentAddress | Metadata) => ProtocolProcessing | undefined;
  emit: <K extends keyof ManagerEvents>(name: K, event: ManagerEvents[K]) => void;
}

/** Hands what comes over the connection to the document that it names, or to who else is concerned. */
export function routeMessages(connection: ProtocolConnection, targets: RouteTargets): void {
  const { presence, processings, find, emit } = targets;
  connection.on('status', ({ status }) => {
    if (status === 'connected') for (const processing of processings()) processing.connected();
    else if (status !== 'connecting') for (const processing of processings()) processing.disconnected();
    if (status !== 'connected') presence.forget();
    emit('status', { status });
  });
  connection.on('presence', (message) => presence.receive(message));
  connection.on('connection-error', (event) => emit('connection-error', event));
  const route = (event: ProtocolMessageEvent) => find(event.metadata);
  connection.on('message-sync', (event) => route(event)?.onSync(event));
  connection.on('message-awareness', (event) => route(event)?.onAwareness(event));
  connection.on('message-auth', (event) => route(event)?.onAuth(event));
  connection.on('message-control', (event) => route(event)?.onControl(event));
  connection.on('acks', ({ address, acks }) => find(address)?.onAcks(acks));
  connection.on('state', ({ head, payload }) => find(head)?.onState(head, payload));
  connection.on('progress', ({ address, receivedBytes }) => find(address)?.onProgress(receivedBytes));
  connection.on('protocol-error', (event) => emit('protocol-error', event));
  connection.on('nack', (nack) => {
    if (nack.docId === undefined) emit('protocol-error', { code: nack.code, message: nack.message });
    else find(addressOf({ ...nack, docId: nack.docId }))?.onNack(nack);
  });
}

/** A nack without an address speaks of a frame as a whole: its updates stay unacked, and are sent again. */
function addressOf({ roomId, docId, subdocId }: Nack & { docId: string }): DocumentAddress {
  return { roomId: roomId ?? docId, docId, ...(subdocId === undefined ? {} : { subdocId }) };
}

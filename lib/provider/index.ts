export { ProtocolConnection } from './connection.ts';
export type { ConnectionErrorEvent, ConnectionEvents, ProtocolMessageEvent } from './connection-events.ts';
export type { ConnectionOptions, ConnectionStatus } from './connection-options.ts';
export { createDocumentAdapter } from './document-adapter.ts';
export type { DocumentAdapter, SubdocumentChange, SupportedDocument } from './document-adapter.ts';
export { TypedEmitter } from './emitter.ts';
export { systemEnvironment } from './environment.ts';
export type { ProviderEnvironment } from './environment.ts';
export type {
  DocumentEvents,
  DocumentRef,
  DocumentDeletedEvent,
  DocumentReplacedEvent,
  ManagerEvents,
  UpdateFailedEvent,
} from './events.ts';
export { ProtocolManager } from './manager.ts';
export type { AddDocOptions, DocumentState, ManagerOptions } from './manager-options.ts';
export { PeopleList } from './people.ts';
export type { AwarenessOfPerson, PeopleEvents, PersonInRoom } from './people.ts';
export { RoomPresence } from './presence.ts';
export type { PresenceEvents, RoomPerson } from './presence.ts';
export { ProtocolProcessing } from './processing.ts';
export type { ProcessingTuning } from './processing-context.ts';
export { socketTransport } from './socket-transport.ts';
export type { SocketTransportOptions } from './socket-transport.ts';
export type {
  PresenceMessage,
  Transport,
  TransportClosed,
  TransportFactory,
  TransportHandlers,
} from './transport.ts';
export type { YwasmDoc, YwasmTransaction } from './ywasm-adapter.ts';
export { loadYwasm, wrapYwasmGlue } from './ywasm-loader.ts';
export type { Ywasm, YwasmGlue, YwasmSource } from './ywasm-loader.ts';

/** Connections and servers in general, and the contract of whatever carries them. */
export { Connection } from './connection.js'
export type { ConnectionAddresses, TransportName } from './addresses.js'
export type {
  ConnectionOptions,
  ConnectionTypes,
  EndTimeout,
  SendOptions,
} from './connection_options.js'
export { Server } from './server.js'
export type { ServerOptions } from './server_options.js'
export type { ConnectionStats } from './connection_stats.js'
export type { ServerHealth, ServerStats, ShutdownResult } from './server_stats.js'
export type { LimitOptions } from './limits.js'
export type { RejectionReason, Rejections } from './rejections.js'
export type { AdmissionOptions, Authorize } from './admission.js'
export type {
  ConnectionCloseMessage,
  ConnectionErrorMessage,
  ConnectionOpenMessage,
  ObservedConnection,
  ObservedServer,
  ServerRejectMessage,
} from './diagnostics.js'
export { presentToken, token } from './token.js'
export type { Acceptor, AcceptorEvents } from './acceptor.js'
export type { Peer } from './peer.js'
export type { Cargo, Outbox } from './outbox.js'
export type {
  CargoKind,
  Closable,
  ReceivedMessage,
  Transport,
  TransportEvents,
} from './transport.js'

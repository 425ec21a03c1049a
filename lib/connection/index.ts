/** One `listen` and one `connect` over every transport, and connections of messages. */
export type { MessageConnection } from './messages.js'
export { formatAddress, parseAddress } from './address.js'
export type {
  Address,
  PipeAddress,
  ShmAddress,
  TcpAddress,
  UnixAbstractAddress,
  UnixPathAddress,
} from './address.js'
export { listen } from './listen.js'
export type { ListeningServer, ListenOptions } from './listen.js'
export { connect } from './connect.js'
export type { AnyConnectOptions, ConnectOptions } from './connect.js'
export { TcpServer } from './tcp_server.js'
export type { ListenTcpOptions } from './tcp_server.js'
export type { ConnectTcpOptions } from './connect_tcp.js'
export type { TcpConnectionOptions } from './tcp_connection.js'
export { framed, FramedConnection } from './framed.js'
export type { FramedOptions, FramedSendOptions, MessageWithFds } from './framed.js'
export type { Codec, CodecName } from './codecs.js'
export type { HeartbeatOptions } from './heartbeat.js'
export { ConnectionPool } from './pool.js'
export type { PoolOptions, PoolStats } from './pool_options.js'
export type { Poolable } from './pooled_connection.js'
export { ConnectionPort, messagePort } from './message_port.js'
export type {
  ConnectionPortEvent,
  ConnectionPortEvents,
  ConnectionPortListener,
  MessagePortOptions,
} from './message_port.js'
export { isRetryable } from './is_retryable.js'
export { ReconnectingConnection } from './reconnecting.js'
export type { ReconnectingEvents, ReconnectingStats, Retry } from './reconnecting.js'
export type { ReconnectOptions } from './reconnect_options.js'

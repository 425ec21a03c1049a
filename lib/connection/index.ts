/** One `listen` and one `connect` over every transport, and connections of messages. */
export type { MessageConnection } from './messages.js'
export { formatAddress, parseAddress } from './address.js'
export type {
  Address,
  PipeAddress,
  ShmAddress,
  TcpAddress,
  TransportName,
  UnixAbstractAddress,
  UnixPathAddress,
} from './address.js'

/** Unix sockets: credentials of the peer, descriptors, cancellable accept and connect. */
export { UnixServer } from './unix_server.js'
export type { ListenUnixOptions } from './unix_server.js'
export { UnixConnection } from './unix_connection.js'
export type { UnixSendOptions } from './unix_connection.js'
export type { BufferSizes, UnixConnectionOptions } from './connection_options.js'
export type { BindOptions } from './listen_options.js'
export type { ReceivedUnixMessage } from './socket_reader.js'
export { connectUnix } from './connect_unix.js'
export type { ConnectUnixOptions } from './connect_unix.js'
export { socketPair } from './socket_pair.js'
export { UnixDatagram } from './unix_datagram.js'
export type {
  BindDatagramOptions,
  DatagramCredentials,
  DatagramOptions,
  ReceivedDatagram,
} from './datagram_options.js'
export { PeerCredentials } from './peer_credentials.js'
export { peerCredentials } from './credentials_of.js'
export { allow } from './allow.js'
export type { AllowOptions } from './allow.js'
export { FileDescriptor } from './file_descriptor.js'
export type { DescriptorKind, DescriptorSource } from './file_descriptor.js'

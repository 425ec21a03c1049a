/** Windows named pipes. On other systems everything here throws `ERR_SLUICE_UNSUPPORTED`. */
export { NamedPipeServer } from './named_pipe_server.js'
export type { ListenNamedPipeOptions } from './named_pipe_server.js'
export { NamedPipeConnection } from './named_pipe_connection.js'
export type {
  NamedPipeConnectionOptions,
  PipeSendOptions,
  ReceivedPipeMessage,
} from './named_pipe_connection.js'
export { connectNamedPipe } from './connect_named_pipe.js'
export type { ConnectNamedPipeOptions, ExpectedServer } from './connect_named_pipe.js'
export type { NamedPipePeer } from './peer.js'
export type { PipeSecurity } from './security.js'
export { SystemHandle } from './system_handle.js'
export type { HandleSource } from './system_handle.js'
export type { HandleKind } from '../core/native_pipes.js'

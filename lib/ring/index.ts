/** The single-producer single-consumer ring in shared memory. */
export { Ring } from './ring.js'
export type {
  AnonymousRingOptions,
  ClaimOptions,
  CreateRingOptions,
  EndpointOptions,
  OpenRingOptions,
  RingFromFdOptions,
} from './ring.js'
export type { RingSideStats, RingStats } from './native.js'
export type { Producer, WriteOptions, WriteSyncOptions } from './producer.js'
export type { Consumer, StreamsOptions } from './consumer.js'
export type { ConsumeOptions, MessageHandler } from './consume_loop.js'
export type { MessageStream } from './message_stream.js'
export type { RingSideView, RingView, UnfinishedRing } from './inspect.js'
export type { RingReadStreamOptions } from './read_stream.js'
export type { RingWriteStreamOptions } from './write_stream.js'

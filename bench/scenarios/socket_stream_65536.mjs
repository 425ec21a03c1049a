// Chunks of 64 KiB in one direction over a Unix socket.
import { socketStream } from './socket_stream.mjs'

export default socketStream(65536, '64 KiB')

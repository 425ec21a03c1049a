// Chunks of 1 KiB in one direction over a Unix socket.
import { socketStream } from './socket_stream.mjs'

export default socketStream(1024, '1 KiB')

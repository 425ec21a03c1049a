// Chunks of 64 B in one direction over a Unix socket.
import { socketStream } from './socket_stream.mjs'

export default socketStream(64, '64 B')

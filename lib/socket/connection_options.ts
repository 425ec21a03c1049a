import { checkInteger } from '../core/arguments.js'
import { systemError } from '../core/errors.js'
import { checkConnectionOptions, type ConnectionOptions } from '../transport/connection_options.js'
import type { SocketHandle } from './native.js'

/**
 * The options of connections over Unix sockets: of {@link connectUnix}, {@link UnixServer.listen} and
 * others.
 */
export interface UnixConnectionOptions extends ConnectionOptions {
  /**
   * Bytes of the system's buffer for what is sent (`SO_SNDBUF`); by default the system's. The system has a
   * limit of its own (`net.core.wmem_max` on Linux) and takes no more, without a word: see `bufferSizes`.
   */
  sendBufferSize?: number
  /** Bytes of the buffer for what is received (`SO_RCVBUF`); by default the system's, likewise. */
  receiveBufferSize?: number
  /** Descriptors that one message may bring, else the connection is destroyed; default 64. */
  maxDescriptors?: number
  /** Bytes of a message of a seqpacket socket, else the connection is destroyed; default 256 KiB. */
  maxMessageLength?: number
}

export const connectionOptionNames = [
  'allowHalfOpen',
  'highWaterMark',
  'sendBufferSize',
  'receiveBufferSize',
  'maxDescriptors',
  'maxMessageLength',
] as const

/** The kernel's most for one message. */
export const mostDescriptors = 253

export const defaultMaxDescriptors = 64
export const defaultMaxMessageLength = 262144
export const largestMessageLength = 2 ** 30

export function checkUnixConnectionOptions(options: UnixConnectionOptions): void {
  checkConnectionOptions(options)
  checkSocketOptions(options)
}

/** Checks the options that every socket has. */
export function checkSocketOptions(options: UnixConnectionOptions): void {
  const { sendBufferSize = 1, receiveBufferSize = 1 } = options
  const { maxDescriptors = 0, maxMessageLength = 1 } = options
  checkInteger('options.sendBufferSize', sendBufferSize, 1, 2 ** 30)
  checkInteger('options.receiveBufferSize', receiveBufferSize, 1, 2 ** 30)
  checkInteger('options.maxDescriptors', maxDescriptors, 0, mostDescriptors)
  checkInteger('options.maxMessageLength', maxMessageLength, 1, largestMessageLength)
}

export function setBufferSizes(handle: SocketHandle, options: UnixConnectionOptions): void {
  const { sendBufferSize, receiveBufferSize } = options
  if (sendBufferSize === undefined && receiveBufferSize === undefined) return
  const failure = handle.setBufferSizes(sendBufferSize, receiveBufferSize)
  if (failure < 0) throw systemError("cannot set the socket's buffer sizes", 'setsockopt', failure)
}

/** The buffers of a socket, such as a {@link UnixConnection}, as the options count them. */
export interface BufferSizes {
  /** Bytes of the buffer for what is sent. */
  send: number
  /** Bytes of the buffer for what is received. */
  receive: number
}

// Linux doubles what it is given, to have room for its own notes, and tells the double.
const factor = process.platform === 'linux' ? 2 : 1

export function bufferSizesOf(handle: SocketHandle): BufferSizes {
  const sizes = handle.bufferSizes()
  if (typeof sizes === 'number') {
    throw systemError("cannot ask for the socket's buffer sizes", 'getsockopt', sizes)
  }
  return { send: sizes[0] / factor, receive: sizes[1] / factor }
}

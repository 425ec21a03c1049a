import type { FileDescriptor } from './file_descriptor.js'
import type { BindOptions } from './listen_options.js'
import { Result, results } from './results.js'

/** The options of {@link UnixDatagram.fromFd}. */
export interface DatagramOptions {
  /** See {@link UnixConnectionOptions.sendBufferSize}. */
  sendBufferSize?: number
  /** See {@link UnixConnectionOptions.receiveBufferSize}. */
  receiveBufferSize?: number
  /** Descriptors that one message may bring, else they are closed; default 64. */
  maxDescriptors?: number
  /** Bytes of a message that is received; default 256 KiB. */
  maxMessageLength?: number
}

/** The options of {@link UnixDatagram.bind}. */
export interface BindDatagramOptions extends DatagramOptions, BindOptions {
  /** Default false. True: each message tells its sender's credentials (Linux). */
  credentials?: boolean
}

export const datagramOptionNames = [
  'sendBufferSize',
  'receiveBufferSize',
  'maxDescriptors',
  'maxMessageLength',
] as const

/** The credentials of the process that sent a message to a {@link UnixDatagram}, by the kernel's word. */
export interface DatagramCredentials {
  /** The process's id; undefined for one outside of this pid namespace. */
  pid?: number
  /** Its user's id. */
  uid: number
  /** Its group's id. */
  gid: number
}

/** A message as {@link UnixDatagram.receive} gives it. */
export interface ReceivedDatagram {
  /** The bytes of the message, the receiver's own. */
  data: Buffer
  /** The sender's address; undefined when it has none. */
  from: string | undefined
  /** They are the receiver's to close. */
  fds: FileDescriptor[]
  /** Only with the option `credentials`. */
  credentials?: DatagramCredentials
}

/** The credentials of the message that was read last; undefined when they were not asked for. */
export function credentialsOfLast(): DatagramCredentials | undefined {
  if (results[Result.hasCredentials] !== 1) return undefined
  const pid = results[Result.pid]
  return {
    ...(pid > 0 && { pid }),
    uid: results[Result.uid] >>> 0,
    gid: results[Result.gid] >>> 0,
  }
}

/** The facts that a read found out beside its result: `SocketResults` of socket_handle.hpp. */
import { native } from './native.js'
import { hasUnixSockets } from './native.js'

export const results: Int32Array = hasUnixSockets ? native.socketResults : new Int32Array(6)

export const Result = {
  descriptors: 0,
  flags: 1,
  hasCredentials: 2,
  pid: 3,
  uid: 4,
  gid: 5,
  firstNumber: 6,
} as const

export const ReadFlags = {
  descriptorsLost: 1,
  messageCut: 2,
} as const

/**
 * The ring's memory format as indexes of 32-bit words: native/include/sluice/ring_format.hpp in
 * this language, and the endpoint's private state as ring_endpoint.hpp has it.
 */

/** Words of the header. */
export const tailWord = 128 / 4
export const producerMessagesWord = 132 / 4
export const headWord = 256 / 4
export const consumerMessagesWord = 260 / 4
export const consumerParkedWord = 384 / 4
export const producerParkedWord = 512 / 4

export const headerSize = 4096
export const dataWord = headerSize / 4
export const recordHeaderSize = 8
export const paddingType = -1

/** Words of an endpoint's private state (EndpointState). */
export enum State {
  position,
  published,
  peerPosition,
  messages,
  record,
  length,
  type,
  status,
  corked,
}
export const stateSize = 36
/** In State.length: nothing is reserved or peeked. */
export const noRecord = -1

/** In State.status (EndpointStatus); not an enum, as what a word of memory holds is a number. */
export const Status = { usable: 0, closed: 1, corrupt: 2, ended: 3 } as const

export const minimumCapacity = 4096
export const maximumCapacity = 2 ** 30

/** Bytes that a record with this payload takes. */
export function recordSize(length: number): number {
  return recordHeaderSize + ((length + 7) & ~7)
}

/**
 * The ring's memory format as indexes of 32-bit words: native/include/sluice/ring_format.hpp in
 * this language. A test compares the two, and both with docs/ring-format.md.
 */

/** The first bytes of a ring. */
export const magic = 'SLUICERG'
export const versionMajor = 2

/** Words of the header. */
export const versionWord = 8 / 4
export const headerSizeWord = 12 / 4
export const capacityWord = 16 / 4
export const tailWord = 128 / 4
export const producerMessagesWord = 132 / 4
export const producerStreamsWord = 144 / 4
export const headWord = 256 / 4
export const consumerMessagesWord = 260 / 4
export const consumerStreamsWord = 272 / 4
export const consumerParkedWord = 384 / 4
export const producerParkedWord = 512 / 4

/** Where the words begin that one side writes, and the words from there. */
export const producerSide = tailWord
export const consumerSide = headWord
export const sideMessages = 1
export const sideState = 2
export const sidePid = 3

export const headerSize = 4096
export const dataWord = headerSize / 4
export const recordHeaderSize = 8
export const paddingType = -1

/** In a record's `commit` word beside the length; without it the word is 0, and no record there. */
export const committed = 0x80000000 | 0

/** In a `parked` word: whoever sets it cannot make its peer pass a barrier; the peer fences itself. */
export const fenceWanted = 0x80000000 | 0

export const minimumCapacity = 4096
export const maximumCapacity = 2 ** 30

/** Bytes that a record with this payload takes. */
export function recordSize(length: number): number {
  return recordHeaderSize + ((length + 7) & ~7)
}

/**
 * The longest payload: such a record, the padding before it and the word behind it, which says that
 * nothing follows, fit into an empty ring wherever its position lies.
 */
export function maxMessageLength(capacity: number): number {
  return capacity / 2 - 2 * recordHeaderSize
}

/** The types of the records in a channel's rings. */
export const RecordType = {
  /** Bytes of the stream, however they are cut. */
  bytes: 0,
  /** A whole message of `framed`, or the last part of one. */
  message: 1,
  /** A part of a message: behind the number (u32) of its bytes that follow in later records. */
  part: 2,
  /**
   * Behind the number (u32) of the CARGO that brings descriptors: the bytes of the stream that they belong to,
   * or nothing, and then they belong to the message that follows.
   */
  cargo: 3,
  /** A heartbeat of `framed`: nothing. */
  beat: 4,
} as const

/** Bytes of the number at the beginning of a payload. */
export const numberSize = 4

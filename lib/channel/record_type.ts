/** The types of the records in a channel's rings. */
export const RecordType = {
  /** Bytes of the stream, however they are cut. */
  bytes: 0,
  /** A whole message of `framed`, or the last part of one. */
  message: 1,
  /** A part of a message; more follows. */
  part: 2,
  /** Bytes of the stream to which descriptors belong: behind the number (u32) of the CARGO that brings them. */
  cargo: 3,
} as const

/** Bytes of the number. */
export const cargoNumberSize = 4

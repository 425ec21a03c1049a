/** The answer about a connection. */

/** Counts of one {@link Connection}, of now and since it was made. */
export interface ConnectionStats {
  /** Bytes that have come. */
  bytesRead: number
  /** Bytes that the system has taken. */
  bytesWritten: number
  /** Messages of `send` that wait, with the one that is under way. */
  waitingSends: number
  /** Calls of `receive` that wait for messages. */
  waitingReceives: number
  /** Bytes of the stream's `write` that wait in this process. */
  queuedBytes: number
  /** Bytes that have come, and that the stream's reader has not taken. */
  unreadBytes: number
  /**
   * Milliseconds in which something was to be written, and the system did not take it: the peer is
   * slow to read. On named pipes each write takes such a time.
   */
  blockedMs: number
}

/**
 * The process at the other end of a {@link Connection}, by the word of the system or of whoever made the
 * transport, never by the peer's own.
 */
export interface Peer {
  /** The id of its process, as information: the number is used again after the process has ended. */
  readonly pid?: number | undefined
  /** Its user: an id, on Windows a SID. Undefined where the system does not tell. */
  readonly user: number | string | undefined
  /** Whether that is the user of this process. */
  readonly sameUser: boolean
}

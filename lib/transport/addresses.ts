/** The name of a transport: the scheme of its addresses; see {@link Connection}. */
export type TransportName = 'unix' | 'pipe' | 'shm' | 'tcp'

/** A note that the maker of a connection leaves on it; connections of one server may share one; see {@link Connection}. */
export interface ConnectionAddresses {
  /** The scheme of the addresses. */
  readonly transport: TransportName
  /** The address at this end; undefined when it has none. */
  readonly localAddress: string | undefined
  /** The address at the other end; undefined when it has none. */
  readonly remoteAddress: string | undefined
}

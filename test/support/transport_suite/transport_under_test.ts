/** The description of a transport that the suite needs in order to hold it to the contract. */
import type { Duplex } from 'node:stream'
import type { ReadableStream, WritableStream } from 'node:stream/web'

import type { WaitOptions } from '../../../lib/index.js'

/** The public face of a connection, over whichever transport. */
export interface TestedConnection extends Duplex {
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly timeout: number | undefined
  readonly connecting: boolean
  readonly pending: boolean
  readonly readyState: string
  readonly peer: { readonly pid?: number | undefined; readonly sameUser: boolean }
  send(bytes: Uint8Array, options?: WaitOptions): Promise<void>
  receive(options?: WaitOptions): Promise<{ data: Buffer } | undefined>
  setTimeout(milliseconds: number, listener?: () => void): this
  setNoDelay(): this
  setKeepAlive(): this
  destroySoon(): void
  close(): void
  [Symbol.dispose](): void
  ref(): this
  unref(): this
  toWeb(): { readable: ReadableStream; writable: WritableStream }
}

/** The public face of a server, over whichever transport. */
export interface TestedServer {
  readonly closed: boolean
  accept(options?: WaitOptions): Promise<TestedConnection>
  close(): void
  [Symbol.dispose](): void
  [Symbol.asyncIterator](): AsyncGenerator<TestedConnection, void, void>
  ref(): this
  unref(): this
}

/** Options that the connections of every transport take. */
export interface TestedOptions {
  allowHalfOpen?: boolean
  highWaterMark?: number
  /** Where messages keep their boundaries. */
  maxMessageLength?: number
}

export interface ServerUnderTest {
  /** An address that nobody else uses. */
  address(): string
  listen(address: string, options: TestedOptions & { signal?: AbortSignal }): Promise<TestedServer>
  /**
   * Listens with as little room as there can be for clients that nobody has accepted. Missing where
   * clients never wait for room.
   */
  listenNarrowly?(address: string): Promise<TestedServer>
  connect(address: string, options: TestedOptions & WaitOptions): Promise<TestedConnection>
  /** The system's names for the failure to connect where nobody listens. */
  nobodyCodes: readonly string[]
  /**
   * Milliseconds within which a client for whom there is room has surely connected; default 20, where
   * the system connects by itself.
   */
  connectsWithin?: number
  /** How many clients the suite connects at once. */
  manyClients: number
}

/** How a process of test/fixtures becomes the other side. */
export interface RemoteSide {
  /** A module of test/fixtures that exports `listen`, `connect` and, for `descriptorOf`, `inherit`. */
  module: string
  /** Passed to all three. */
  options: object
  /** For a transport without servers: the descriptor of an end, which a child inherits. */
  descriptorOf?(connection: TestedConnection): number
}

export interface TransportUnderTest {
  name: string
  /** Each send and each write is one message; each receive and each chunk gives one. */
  keepsBoundaries: boolean
  /** `end()` ends one direction only. */
  halfClose: boolean
  /** A send may be half done: part of it has gone, or the system is working on it. */
  hasPartialSends: boolean
  /** A `receive` with a time of 0 gives what is there; elsewhere it may come later than the time. */
  findsAtOnce: boolean
  /** Bytes of the largest write and send that the suite makes; Infinity where there is no limit. */
  largestWrite: number
  /** The system's names for the failure of a write to a peer that has gone. */
  goneCodes: readonly string[]
  /**
   * The code by which it is told that the peer was killed, after all that it had sent; by default a death
   * is an end as any other.
   */
  deathCode?: string
  /** Bytes that the system takes while the peer does not read; default less than 1 MiB. */
  mostKept?: number
  /** Default true: `peer` tells whether it is of the same user. */
  knowsPeer?: boolean
  /** `peer.pid` is known. */
  knowsPeerProcess: boolean
  /** Default true: after `unref` what the system has to write does not keep the process alive. */
  unrefsWrites?: boolean
  /** How often the suite repeats what meets at random moments. */
  rounds: number
  /** Bytes of the long stream. */
  streamBytes: number
  /** Default true: an end is more than memory, so that what is left open can be counted. */
  ownsResources?: boolean
  /** Names of tests that the transport does not pass yet; one that it passes has to be taken off. */
  knownFailures?: readonly string[]
  /** Two ends that are connected to each other. */
  pair(options?: TestedOptions): Promise<[TestedConnection, TestedConnection]>
  /** Missing where connections are made in pairs only. */
  server?: ServerUnderTest
  /** Missing where both ends are in one process. */
  remote?: RemoteSide
}

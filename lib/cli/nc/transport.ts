/** The options of `sluice nc`, and the function that every kind of connection opens with. */
import type { Duplex } from 'node:stream'

import type { ExpectedServer, PipeSecurity, WaitOptions } from '../../index.js'
import type { Note } from '../notes.js'

export interface NcOptions {
  listen?: boolean
  seqpacket?: boolean
  datagram?: boolean
  message?: boolean
  verbose?: boolean
  /** Milliseconds to wait for the connection. */
  timeout?: number
  /** Permissions of the path that is listened on. */
  mode?: number
  security?: PipeSecurity
  /** Whose pipe is accepted. */
  owner?: ExpectedServer
}

/** Connects, or with `--listen` waits for one connection; tells who is at the other end. */
export type Open = (
  address: string,
  options: NcOptions,
  wait: WaitOptions,
  note: Note,
) => Promise<Duplex>

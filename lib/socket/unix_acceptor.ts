import { systemError } from '../core/errors.js'
import type { Listener } from '../core/listeners.js'
import { Readiness } from '../core/native.js'
import { RetryTimer } from '../core/retry.js'
import type { Acceptor, AcceptorEvents } from '../transport/acceptor.js'
import type { ConnectionAddresses } from '../transport/addresses.js'
import { Connection } from '../transport/connection.js'
import { setBufferSizes, type UnixConnectionOptions } from './connection_options.js'
import { aborted, again, invalid, isExhaustion } from './errno.js'
import type { SocketHandle } from './native.js'
import { forgetName } from './names_at_exit.js'
import { NameKeeper } from './name_keeper.js'
import { SocketWatch } from './socket_watch.js'
import { UnixConnection } from './unix_connection.js'

const pauseMs = 100

/** Brings the connections of a listening Unix socket. */
export class UnixAcceptor implements Acceptor<UnixConnection>, Listener {
  readonly poolSize = 16
  readonly takesAhead = false // the kernel keeps them
  #handle: SocketHandle
  readonly #type: 'stream' | 'seqpacket'
  readonly #options: UnixConnectionOptions
  readonly #addresses: ConnectionAddresses | undefined
  #watch: SocketWatch
  #name: NameKeeper | undefined
  #events: AcceptorEvents<UnixConnection> | undefined
  #wanted = 0
  #mayHavePending = true
  #accepting = false
  #open = true
  /** Why nobody can connect any more. */
  #ended: Error | undefined
  /** The clients keep waiting in the kernel; to be told of them again and again would be a spin. */
  readonly #pause = new RetryTimer(
    () => {
      this.#accept()
      this.welcome(this.#wanted)
    },
    { firstMs: pauseMs, longestMs: pauseMs },
  )

  /** `addresses`: the note for each connection. */
  constructor(
    handle: SocketHandle,
    type: 'stream' | 'seqpacket',
    options: Readonly<UnixConnectionOptions>,
    addresses?: ConnectionAddresses,
  ) {
    this.#handle = handle
    this.#type = type
    this.#options = options
    this.#addresses = addresses
    this.#watch = new SocketWatch(handle, this)
  }

  attach(events: AcceptorEvents<UnixConnection>): void {
    this.#events = events
    // An open server keeps the process alive, as other servers do.
    this.#watch.set(Readiness.idle)
  }

  /** It has a path of its own from now on. `bind` binds that again; `renewed` hears of the new socket. */
  keepName(bind: (() => SocketHandle) | undefined, renewed: (handle: SocketHandle) => void): void {
    this.#name = new NameKeeper(this.#handle, bind, {
      renewed: (handle) => {
        renewed(handle)
        this.#replace(handle)
      },
      failed: (error) => this.#events?.stalled(error),
    })
  }

  get listening(): boolean {
    return this.#ended === undefined && (this.#name?.check() ?? true)
  }

  get ref(): boolean {
    return this.#watch.ref
  }

  set ref(ref: boolean) {
    this.#watch.ref = ref
    this.#pause.ref = ref
  }

  welcome(count: number): void {
    this.#wanted = count
    if (this.#ended !== undefined) {
      if (count > 0) this.#events?.failed(this.#ended)
      return
    }
    // When nobody waits any more, the watch is left on until it reports something.
    if (!this.#open || (count === 0 && !this.#pause.running)) return
    const watches = count > 0 && !this.#pause.running
    this.#watchFor(watches ? Readiness.readable : Readiness.idle)
  }

  acceptNow(count: number, certainly: boolean): void {
    this.#wanted = count
    // Otherwise the watch says when somebody comes; a look would mostly be in vain.
    if (certainly || this.#mayHavePending) this.#accept()
  }

  close(): void {
    this.#open = false
    this.#pause.stop()
    this.#name?.close()
    this.#watch.close()
    forgetName(this.#handle)
    this.#handle.close()
  }

  /** The watch's call. */
  notify(): void {
    if (this.#wanted > 0) {
      this.#accept()
    } else {
      this.#mayHavePending = true
      // A report although nothing is asked for would come again and again.
      this.#watchFor(this.#watch.wanted === Readiness.idle ? 0 : Readiness.idle)
    }
  }

  /** Nobody would ever be told of a client if the system refuses: those that wait are told that. */
  #watchFor(readiness: number): void {
    try {
      this.#watch.set(readiness)
    } catch (error) {
      this.#events?.failed(error as Error)
    }
  }

  /** Takes clients that wait in the kernel, as many as are wanted. */
  #accept(): void {
    // A nested look, from within `authorize`, would take in more than are wanted.
    if (this.#wanted <= 0 || this.#pause.running || !this.#open || this.#accepting) return
    const count = this.#wanted
    const accepted = this.#handle.accept(count)
    if (typeof accepted !== 'number') {
      this.#mayHavePending = accepted.length === count
      this.#accepting = true
      try {
        for (const handle of accepted) this.#arrived(handle)
      } finally {
        this.#accepting = false
      }
    } else if (accepted === again) {
      this.#mayHavePending = false
    } else if (accepted === aborted) {
      // One client has gone; the others wait, and the watch tells of them.
      this.#events?.refused('handshake', systemError('a client left', 'accept', accepted))
    } else if (isExhaustion(accepted)) {
      this.#pause.start()
      this.#events?.stalled(systemError('cannot accept a connection for now', 'accept', accepted))
      this.welcome(this.#wanted)
    } else {
      const hint = accepted === invalid ? 'somebody who has the socket has shut it down' : undefined
      const error = systemError('cannot accept a connection', 'accept', accepted, { hint })
      if (accepted === invalid) this.#end(error)
      this.#events?.failed(error)
    }
  }

  /** Goes on with another socket; clients that have connected to this one are taken first. */
  #replace(handle: SocketHandle): void {
    const [old, watch] = [this.#handle, this.#watch]
    this.#handle = handle
    this.#watch = new SocketWatch(handle, this)
    this.#watch.ref = watch.ref
    this.#watchFor(Readiness.idle)
    this.#ended = undefined
    watch.close()
    for (;;) {
      const left = old.accept(this.poolSize)
      if (typeof left === 'number' || left.length === 0) break
      for (const client of left) this.#arrived(client)
    }
    forgetName(old)
    old.close()
    if (this.#open) this.welcome(this.#wanted)
  }

  #end(reason: Error): void {
    this.#ended = reason
    this.#watch.set(0)
  }

  #arrived(handle: SocketHandle): void {
    // `authorize` may have closed the server meanwhile.
    if (!this.#open) {
      handle.close()
      return
    }
    const reason = this.#events?.refuses(() => handle.peer().uid)
    if (reason !== undefined) {
      handle.close()
      this.#events?.refused(reason)
      return
    }
    let connection: UnixConnection
    try {
      setBufferSizes(handle, this.#options)
      connection = new UnixConnection(handle, this.#type, this.#options)
      if (this.#addresses !== undefined) Connection.describe(connection, this.#addresses)
    } catch (error) {
      handle.close()
      this.#events?.refused('handshake', error as Error)
      return
    }
    this.#events?.arrived(connection)
  }
}

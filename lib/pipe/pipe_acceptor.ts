import { SluiceError } from '../core/errors.js'
import { RetryTimer } from '../core/retry.js'
import type { Acceptor, AcceptorEvents } from '../transport/acceptor.js'
import type { ConnectionAddresses } from '../transport/addresses.js'
import { Connection } from '../transport/connection.js'
import { NamedPipeConnection, type NamedPipeConnectionOptions } from './named_pipe_connection.js'
import { native, type InstanceOptions } from './native.js'
import { clientPeer, type NamedPipePeer } from './peer.js'
import { PipeIo } from './pipe_io.js'
import { Outcome } from './win32_errors.js'

/** How the instances of a server's pipe are made. */
export interface ServerPipe {
  path: string
  /** The security descriptor. */
  sddl: string
  instance: InstanceOptions
  mode: 'byte' | 'message'
  /** How many clients can connect before they are accepted. */
  poolSize: number
  /** The note for each connection. */
  addresses: ConnectionAddresses | undefined
}

const retryPauseMs = 20

/** Brings the clients of a named pipe: some instances always wait for them. */
export class PipeAcceptor implements Acceptor<NamedPipeConnection> {
  readonly poolSize: number
  readonly takesAhead = true // an instance that has its client makes room for no other
  readonly #pipe: ServerPipe
  readonly #options: NamedPipeConnectionOptions
  /** Instances that wait for a client, or ask who it is. */
  readonly #waiting = new Set<PipeIo>()
  #events: AcceptorEvents<NamedPipeConnection> | undefined
  #wanted = 0
  /** Clients that have connected and that the server does not want yet. */
  readonly #held: (() => void)[] = []
  #ref = true
  #open = true
  readonly #retry = new RetryTimer(
    () => {
      this.#tryToFill()
    },
    { firstMs: retryPauseMs, longestMs: retryPauseMs },
  )

  /** @throws when the name cannot be had */
  constructor(pipe: ServerPipe, options: NamedPipeConnectionOptions) {
    this.#pipe = pipe
    this.#options = options
    this.poolSize = pipe.poolSize
    this.#addInstance(pipe.instance.first)
  }

  attach(events: AcceptorEvents<NamedPipeConnection>): void {
    this.#events = events
  }

  get ref(): boolean {
    return this.#ref
  }

  set ref(ref: boolean) {
    this.#ref = ref
    this.#retry.ref = ref
    for (const io of this.#waiting) io.ref = ref
  }

  welcome(count: number): void {
    this.#wanted = count
    // Each that is handed out has the server say anew how many it wants.
    for (let next; this.#wanted > 0 && (next = this.#held.shift()) !== undefined;) next()
    this.#tryToFill()
  }

  close(): void {
    this.#open = false
    this.#retry.stop()
    for (const io of this.#waiting) io.abandon()
    this.#waiting.clear()
    this.#held.length = 0
  }

  /** It is tried again when a connection has closed, or after a while if no instance waits. */
  #tryToFill(): void {
    try {
      this.#fill()
    } catch {
      // The system has no more to give for now.
    }
    if (this.#open && this.#waiting.size === 0 && this.#wanted > 0) this.#retry.start()
  }

  /** Sees to it that as many instances as are wanted wait. */
  #fill(): void {
    try {
      while (this.#open && this.#waiting.size < this.#wanted) this.#addInstance(false)
    } catch (error) {
      // All instances are in use: try again when a connection has closed.
      if (!isBusy(error)) throw error
    }
  }

  #addInstance(first: boolean): void {
    const { path, sddl, instance } = this.#pipe
    const io = new PipeIo(new native.PipeHandle(path, sddl, { ...instance, first }))
    io.ref = this.#ref
    this.#waiting.add(io)
    this.#waitForClient(io)
  }

  #waitForClient(io: PipeIo): void {
    const connected = (code: number) => {
      if (code === Outcome.done) this.#ask(io)
      else this.#recycle(io)
    }
    const outcome = io.connect(connected)
    if (outcome === Outcome.pending) return
    // Not at once: instances are made in the middle of other things.
    setImmediate(() => {
      if (this.#waiting.has(io)) connected(outcome)
    })
  }

  /** A client came and went, or may not come in. */
  #recycle(io: PipeIo): void {
    if (io.handle.disconnect() === Outcome.done) {
      this.#waitForClient(io)
      return
    }
    // A new one first, so that the name is never without an instance.
    try {
      this.#addInstance(false)
    } catch {
      // See below.
    }
    this.#waiting.delete(io)
    io.abandon()
    this.#tryToFill()
  }

  #ask(io: PipeIo): void {
    io.identify((code) => {
      void clientPeer(io.handle, io.identity).then((peer) => {
        if (!this.#waiting.has(io)) return
        const arrive = () => {
          this.#arrived(io, peer, code === Outcome.cannotImpersonate)
        }
        if (this.#wanted > 0) arrive()
        else this.#held.push(arrive)
      })
    })
  }

  #arrived(io: PipeIo, peer: NamedPipePeer, askAgain: boolean): void {
    const reason = this.#events?.refuses(() => peer.user)
    if (reason !== undefined) {
      this.#events?.refused(reason)
      this.#recycle(io)
      return
    }
    const again = async (): Promise<NamedPipePeer> => {
      await new Promise((resolve) => {
        io.identify(resolve)
      })
      return clientPeer(io.handle, io.identity)
    }
    const { mode, instance, addresses } = this.#pipe
    io.ref = true
    this.#waiting.delete(io)
    const connection = new NamedPipeConnection(
      io,
      { mode, messageType: instance.message },
      peer,
      this.#options,
      askAgain ? again : undefined,
    )
    if (addresses !== undefined) Connection.describe(connection, addresses)
    this.#events?.arrived(connection)
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof SluiceError && error.win32 === 'ERROR_PIPE_BUSY'
}

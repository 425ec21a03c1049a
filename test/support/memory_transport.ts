/**
 * A transport inside of one process: two ends that hand each other copies of bytes, and servers by
 * name. It implements the public interface alone, as somebody outside of the package would; only the
 * checks of arguments are the package's own.
 */
import { constants } from 'node:os'

import {
  Connection,
  Server,
  SluiceError,
  type Acceptor,
  type AcceptorEvents,
  type ConnectionOptions,
  type Outbox,
  type Peer,
  type ServerOptions,
  type SystemErrorCode,
  type Transport,
  type TransportEvents,
  type WaitOptions,
} from '../../lib/index.js'
import { ownOptions } from '../../lib/core/arguments.js'
import { aborted, checkWaitOptions, waitOptionNames } from '../../lib/core/wait_options.js'
import { checkConnectionOptions } from '../../lib/transport/connection_options.js'
import { checkServerOptions, serverOptionNames } from '../../lib/transport/server.js'

/** Bytes on their way from one end to the other. */
const capacity = 65536
const chunksPerTurn = 8

const ourselves: Peer = { pid: process.pid, user: process.geteuid?.(), sameUser: true }

export interface MemoryOptions extends ConnectionOptions {
  /** Default false: a stream. True: each write is one message. */
  keepsBoundaries?: boolean
  /** Bytes of one message. */
  maxMessageLength?: number
}

class MemoryTransport implements Transport {
  readonly keepsBoundaries: boolean
  readonly peer = ourselves
  readonly cargo = undefined
  readonly #maxMessageLength: number
  #ref = true
  bytesRead = 0
  bytesWritten = 0
  #events: TransportEvents | undefined
  #other: MemoryTransport | undefined
  /** Chunks that have come and were not told yet. */
  readonly #queue: Buffer[] = []
  #queued = 0
  #ended = false
  #lost: SluiceError | undefined
  #wanted = false
  #awaitsEnd = false
  #turn: NodeJS.Immediate | undefined
  #blocked: Outbox | undefined
  #open = true

  constructor({ keepsBoundaries = false, maxMessageLength = 262144 }: MemoryOptions) {
    this.keepsBoundaries = keepsBoundaries
    this.#maxMessageLength = maxMessageLength
  }

  static join(one: MemoryTransport, other: MemoryTransport): void {
    one.#other = other
    other.#other = one
  }

  get ref(): boolean {
    return this.#ref
  }

  set ref(ref: boolean) {
    this.#ref = ref
  }

  attach(events: TransportEvents): void {
    this.#events = events
  }

  get mayHaveMore(): boolean {
    return this.#queue.length > 0 || this.#ended || this.#lost !== undefined
  }

  read(): void {
    this.#wanted = true
    this.#deliverLater()
  }

  readNow(): void {
    this.#deliver(1)
  }

  pause(): void {
    this.#wanted = false
  }

  awaitEnd(): void {
    this.#awaitsEnd = true
    this.#deliverLater()
  }

  write(outbox: Outbox): void {
    this.#blocked = undefined
    while (this.#open && outbox.next()) {
      const { first } = outbox
      if (first.byteLength === 0) {
        outbox.wrote(0)
        continue
      }
      const count = this.#give(first.subarray(outbox.offset))
      if (count === 'later') {
        this.#blocked = outbox
        return
      }
      if (count instanceof SluiceError) {
        this.#events?.lost(count)
        return
      }
      outbox.wrote(count)
    }
  }

  tryWrite(bytes: Uint8Array): number | 'later' {
    const count = this.#give(bytes)
    if (!(count instanceof SluiceError)) return count
    this.#events?.lost(count)
    throw count
  }

  interruptWrite(): boolean {
    return false
  }

  endWriting(done: () => void): void {
    const other = this.#other
    if (other !== undefined) other.#end()
    done()
  }

  close(): void {
    this.#open = false
    clearImmediate(this.#turn)
    const other = this.#other
    this.#other = undefined
    if (other !== undefined) {
      // Bytes that this end has not read are lost to the peer, and it hears of that.
      if (this.#queue.length > 0) other.#lose(systemError('read', 'ECONNRESET'))
      other.#end()
      other.#other = undefined
      other.#writeOn()
    }
    this.#queue.length = 0
    this.#events?.closed()
  }

  /** How many bytes the other end has taken. */
  #give(bytes: Uint8Array): number | 'later' | SluiceError {
    const other = this.#other
    if (other === undefined) return systemError('write', 'EPIPE')
    const room = capacity - other.#queued
    const fits = this.keepsBoundaries ? other.#queued === 0 || bytes.byteLength <= room : room > 0
    if (!fits) return 'later'
    const count = this.keepsBoundaries ? bytes.byteLength : Math.min(room, bytes.byteLength)
    this.bytesWritten += count
    other.#queue.push(Buffer.from(bytes.subarray(0, count)))
    other.#queued += count
    other.#deliverLater()
    return count
  }

  #end(): void {
    this.#ended = true
    this.#deliverLater()
  }

  #lose(error: SluiceError): void {
    this.#lost = error
    this.#deliverLater()
  }

  #writeOn(): void {
    const outbox = this.#blocked
    if (outbox === undefined) return
    setImmediate(() => {
      if (this.#open && this.#blocked === outbox) this.write(outbox)
    })
  }

  #deliverLater(): void {
    if (!this.#open || !(this.#wanted || this.#awaitsEnd)) return
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined
      if (this.#wanted) this.#deliver(chunksPerTurn)
      else if (this.#awaitsEnd && this.#queue.length === 0) this.#deliver(1)
      if (this.#wanted && this.mayHaveMore) this.#deliverLater()
    })
  }

  #deliver(most: number): void {
    for (let count = 0; count < most && this.#open; count++) {
      const data = this.#queue.shift()
      if (data === undefined) {
        this.#deliverEnd()
        return
      }
      this.#queued -= data.length
      this.bytesRead += data.length
      if (this.keepsBoundaries && data.length > this.#maxMessageLength) {
        this.#events?.lost(
          new SluiceError(
            'ERR_SLUICE_MESSAGE_TOO_LONG',
            `a message is longer than ${String(this.#maxMessageLength)} bytes`,
          ),
        )
        return
      }
      this.#wanted = this.#events?.chunk(data) === true
      const other = this.#other
      if (other !== undefined) other.#writeOn()
      if (!this.#wanted) return
    }
  }

  #deliverEnd(): void {
    if (!this.#ended) return
    this.#wanted = false
    this.#awaitsEnd = false
    if (this.#lost === undefined) this.#events?.end()
    else this.#events?.lost(this.#lost)
  }
}

function systemError(syscall: string, code: SystemErrorCode & keyof typeof constants.errno) {
  const errno = -constants.errno[code]
  return new SluiceError(code, `the peer has gone (${syscall})`, { syscall, errno })
}

function transportPair(options: MemoryOptions): [MemoryTransport, MemoryTransport] {
  const ends: [MemoryTransport, MemoryTransport] = [
    new MemoryTransport(options),
    new MemoryTransport(options),
  ]
  MemoryTransport.join(...ends)
  return ends
}

/** The transport has options of its own, which a connection does not know. */
function connectionOver(
  transport: MemoryTransport,
  { allowHalfOpen = false, highWaterMark = 65536 }: MemoryOptions,
): Connection {
  return new Connection(transport, { allowHalfOpen, highWaterMark })
}

export function memoryPair(options: MemoryOptions = {}): [Connection, Connection] {
  const [one, other] = transportPair(options)
  return [connectionOver(one, options), connectionOver(other, options)]
}

const listening = new Map<string, MemoryAcceptor>()

class MemoryAcceptor implements Acceptor<Connection> {
  readonly poolSize = 16
  readonly takesAhead = false
  ref = true
  readonly #name: string
  readonly #options: MemoryOptions
  readonly #backlog: number
  readonly #arrived: MemoryTransport[] = []
  #events: AcceptorEvents<Connection> | undefined
  #wanted = 0
  #turn: NodeJS.Immediate | undefined

  constructor(name: string, options: MemoryOptions, backlog: number) {
    if (listening.has(name)) throw systemError('listen', 'EADDRINUSE')
    this.#name = name
    this.#options = options
    this.#backlog = backlog
    listening.set(name, this)
  }

  attach(events: AcceptorEvents<Connection>): void {
    this.#events = events
  }

  welcome(count: number): void {
    this.#wanted = count
    if (count === 0 || this.#arrived.length === 0) return
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined
      this.acceptNow(this.#wanted)
    })
  }

  acceptNow(count: number): void {
    for (const transport of this.#arrived.splice(0, count)) {
      this.#events?.arrived(connectionOver(transport, this.#options))
    }
  }

  close(): void {
    clearImmediate(this.#turn)
    listening.delete(this.#name)
    for (const transport of this.#arrived.splice(0)) transport.close()
  }

  /** Undefined when there is no room for another client. */
  connect(options: MemoryOptions): Connection | undefined {
    if (this.#arrived.length >= this.#backlog) return undefined
    const { keepsBoundaries = false } = this.#options
    const [client, accepted] = transportPair({ ...options, keepsBoundaries })
    this.#arrived.push(accepted)
    this.welcome(this.#wanted)
    return connectionOver(client, options)
  }
}

const optionNames = ['allowHalfOpen', 'highWaterMark', 'keepsBoundaries', 'maxMessageLength']

const serverNames: readonly string[] = serverOptionNames

export function listenInMemory(
  name: string,
  given: MemoryOptions & ServerOptions & { backlog?: number } = {},
): Promise<Server> {
  const options = ownOptions(given, [...optionNames, ...serverOptionNames, 'backlog'])
  const { keepsBoundaries = false, maxMessageLength = 262144, backlog = 511 } = options
  checkConnectionOptions(options)
  checkServerOptions(options)
  const { signal } = options
  if (signal?.aborted === true) return aborted(signal)
  try {
    const made = { ...options, keepsBoundaries, maxMessageLength }
    const acceptor = new MemoryAcceptor(name, made, backlog)
    const ofServer = Object.entries(options).filter(([option]) => serverNames.includes(option))
    return Promise.resolve(new Server(acceptor, Object.fromEntries(ofServer)))
  } catch (error) {
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a SluiceError
    return Promise.reject(error)
  }
}

/** Waits while the server has no room. */
export function connectInMemory(
  name: string,
  given: MemoryOptions & WaitOptions = {},
): Promise<Connection> {
  given = ownOptions(given, [...optionNames, ...waitOptionNames])
  checkConnectionOptions(given)
  checkWaitOptions(given)
  return connect(name, given)
}

async function connect(
  name: string,
  { signal, timeout, ...options }: MemoryOptions & WaitOptions,
): Promise<Connection> {
  const start = performance.now()
  for (;;) {
    if (signal?.aborted === true) return aborted(signal)
    const acceptor = listening.get(name)
    if (acceptor === undefined) throw systemError('connect', 'ECONNREFUSED')
    const connection = acceptor.connect(options)
    if (connection !== undefined) return connection
    if (timeout !== undefined && performance.now() - start >= timeout) {
      throw new SluiceError(
        'ERR_SLUICE_TIMEOUT',
        `connecting timed out after ${String(timeout)} ms`,
      )
    }
    await new Promise(setImmediate)
  }
}

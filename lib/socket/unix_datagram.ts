import { checkBoolean, checkBytes, checkString, ownOptions } from '../core/arguments.js'
import { SluiceError, systemError } from '../core/errors.js'
import { leaks } from '../core/leak_guard.js'
import { native } from './native.js'
import type { SocketHandle } from './native.js'
import { iterateUntilClosed } from '../core/iterate_until_closed.js'
import {
  aborted,
  checkWaitOptions,
  waitOptionNames,
  type WaitOptions,
} from '../core/wait_options.js'
import { soon } from '../core/turn.js'
import { notYet, WaitQueue } from '../core/wait_queue.js'
import { Readiness } from '../core/native.js'
import {
  bufferSizesOf,
  checkSocketOptions,
  setBufferSizes,
  type BufferSizes,
} from './connection_options.js'
import {
  credentialsOfLast,
  datagramOptionNames,
  type BindDatagramOptions,
  type DatagramOptions,
  type ReceivedDatagram,
} from './datagram_options.js'
import { DatagramSender } from './datagram_sender.js'
import { refused } from './errno.js'
import { descriptorNumber, type DescriptorSource } from './file_descriptor.js'
import { end, nothing, SocketReader } from './socket_reader.js'
import { bindOptionNames, checkBindOptions, makeDirectoryOf } from './listen_options.js'
import { forgetName, namedCloserOf, removeNameAtExit } from './names_at_exit.js'
import { descriptorNumbers } from './descriptor_cargo.js'
import { requireSockets } from './native.js'
import { SocketWatch } from './socket_watch.js'
import type { UnixSendOptions } from './unix_connection.js'

/**
 * A Unix datagram socket: messages that are delivered whole, in order and reliably, to whoever has
 * the address, without a connection. Not on Windows.
 *
 * Source: unix(7).
 *
 * @example
 * ```ts
 * const log = await UnixDatagram.bind('/run/app/log.sock', { mode: 0o666, credentials: true })
 * const sender = await UnixDatagram.bind() // without an address: nobody can answer
 * await sender.send(Buffer.from('it is late'), '/run/app/log.sock', { timeout: 1000 })
 *
 * for await (const { data, credentials } of log) {
 *   console.log(credentials?.uid, data.toString())
 *   break // without it, the next message is waited for
 * }
 * sender.close()
 * log.close()
 * ```
 */
export class UnixDatagram {
  /** Undefined for a socket without a name: it can send, and nobody can answer. */
  readonly address: string | undefined
  readonly #handle: SocketHandle
  readonly #watch: SocketWatch
  readonly #reader: SocketReader
  readonly #receives: WaitQueue
  /** By destination; '' is the one that the socket is connected to. Only while something waits. */
  readonly #senders = new Map<string, DatagramSender>()
  #open = true
  #connected: boolean
  #refused = 0

  /** @internal */
  constructor(handle: SocketHandle, options: DatagramOptions, address?: string, connected = true) {
    this.address = address
    this.#handle = handle
    this.#connected = connected
    this.#watch = new SocketWatch(handle, this)
    this.#reader = new SocketReader(handle, options, true)
    this.#receives = new WaitQueue(() => {
      if (this.#receives.length === 0) this.#watch.remove(Readiness.readable)
    })
    leaks.register(
      this,
      { what: `UnixDatagram ${address ?? ''}`.trim(), release: namedCloserOf(handle) },
      this,
    )
    if (address !== undefined) removeNameAtExit(handle)
  }

  /**
   * Makes a socket with a path or `@name`, or one without an address.
   *
   * @throws (rejects) as `UnixServer.listen`.
   */
  static bind(address?: string, options: BindDatagramOptions = {}): Promise<UnixDatagram> {
    requireSockets()
    options = ownOptions(options, ['credentials', ...bindOptionNames, ...datagramOptionNames])
    checkSocketOptions(options)
    const { mode = 0o600, removeStale = true, padded = false, credentials = false } = options
    checkBoolean('options.credentials', credentials)
    if (address !== undefined) {
      checkString('address', address)
      native.checkAddress(address)
    }
    checkBindOptions(options, address)
    let handle: SocketHandle | undefined
    try {
      if (address === undefined) {
        handle = native.openSocket('datagram', credentials)
      } else {
        makeDirectoryOf(address, options.makeDirectory)
        handle = native.bindSocket('datagram', address, padded, mode, removeStale, 0, credentials)
      }
      setBufferSizes(handle, options)
      return Promise.resolve(new UnixDatagram(handle, options, address, false))
    } catch (error) {
      handle?.close()
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a SluiceError
      return Promise.reject(error)
    }
  }

  /**
   * A socket that was inherited or received; it is duplicated and stays the caller's to close.
   *
   * @throws `EBADF`, `ENOTSOCK`, `ERR_SLUICE_INVALID_ARGUMENT`, `ERR_SLUICE_UNSUPPORTED` on Windows.
   *
   * @example
   * ```ts
   * const [one, other] = socketPair('datagram')
   * const same = UnixDatagram.fromFd(one.fd) // in another process: a number that it inherited or received
   * await same.send(Buffer.from('hello'))
   * console.log((await other.receive({ timeout: 1000 })).data.toString())
   * for (const each of [one, other, same]) each.close()
   * ```
   */
  static fromFd(fd: DescriptorSource, options: DatagramOptions = {}): UnixDatagram {
    requireSockets()
    const number = descriptorNumber('fd', fd)
    options = ownOptions(options, datagramOptionNames)
    checkSocketOptions(options)
    const { handle, address } = native.socketFromDescriptor(number, 'datagram')
    try {
      setBufferSizes(handle, options)
    } catch (error) {
      handle.close()
      throw error
    }
    return new UnixDatagram(handle, options, address)
  }

  /** Messages that broke a limit: were too long, or brought too many descriptors. */
  get refused(): number {
    return this.#refused
  }

  /** Whether the socket has been closed. */
  get closed(): boolean {
    return !this.#open
  }

  /**
   * The descriptor, to send or to inherit; it stays the socket's to close.
   *
   * @throws `ERR_SLUICE_CLOSED`
   */
  get fd(): number {
    if (!this.#open) throw closedError()
    return this.#handle.descriptor(true)
  }

  /**
   * The buffers that the system has given, which can be smaller than `sendBufferSize` and
   * `receiveBufferSize`.
   *
   * @throws `ERR_SLUICE_CLOSED`
   */
  get bufferSizes(): BufferSizes {
    if (!this.#open) throw closedError()
    return bufferSizesOf(this.#handle)
  }

  /**
   * From now on `send` without an address goes there, and only messages from there are received.
   *
   * @throws `ENOENT`, `ECONNREFUSED`, `EACCES`, `ERR_SLUICE_CLOSED`, `ERR_SLUICE_INVALID_ARGUMENT`.
   *
   * @example
   * ```ts
   * const log = await UnixDatagram.bind('/run/app/log.sock')
   * const sender = await UnixDatagram.bind()
   * sender.connect('/run/app/log.sock')
   * await sender.send(Buffer.from('it is late'))
   * log.close()
   * sender.close()
   * ```
   */
  connect(address: string): void {
    checkString('address', address)
    native.checkAddress(address)
    if (!this.#open) throw closedError()
    let failure = this.#handle.connect(address, false)
    if (failure === refused && address.startsWith('@'))
      failure = this.#handle.connect(address, true)
    if (failure < 0) {
      throw systemError(`cannot connect to '${address}'`, 'connect', failure, { address })
    }
    this.#connected = true
  }

  /**
   * Sends one message, to an address or to where the socket is connected. Waits while the
   * receiver's queue is full; messages to one address keep their order.
   *
   * @throws (rejects) `ENOENT`, `ECONNREFUSED`, `EACCES`, `ENOTCONN`,
   * `ERR_SLUICE_MESSAGE_TOO_LONG`, `ERR_SLUICE_CLOSED`, `ERR_SLUICE_TIMEOUT`,
   * `ERR_SLUICE_QUEUE_FULL`, the signal's reason.
   */
  send(bytes: Uint8Array, to?: string, options: UnixSendOptions = {}): Promise<void> {
    checkBytes('bytes', bytes)
    if (to !== undefined) {
      checkString('to', to)
      native.checkAddress(to)
    }
    options = ownOptions(options, ['fds', ...waitOptionNames])
    checkWaitOptions(options)
    const numbers = descriptorNumbers(options.fds)
    if (options.signal?.aborted === true) return aborted(options.signal)
    if (!this.#open) return Promise.reject(closedError())
    return this.#senderTo(to).send(bytes, numbers, options)
  }

  /**
   * The next message. One that is longer than `maxMessageLength`, or brings too many descriptors,
   * is dropped, and the receive fails.
   *
   * @throws (rejects) `ERR_SLUICE_MESSAGE_TOO_LONG`, `ERR_SLUICE_FDS_LIMIT`,
   * `ERR_SLUICE_FDS_TRUNCATED`, `ERR_SLUICE_CLOSED`, `ERR_SLUICE_TIMEOUT`, `ERR_SLUICE_QUEUE_FULL`,
   * the signal's reason.
   */
  receive(options: WaitOptions = {}): Promise<ReceivedDatagram> {
    options = ownOptions(options, waitOptionNames)
    checkWaitOptions(options)
    if (options.signal?.aborted === true) return aborted(options.signal)
    if (!this.#open) return Promise.reject(closedError())
    const first = this.#receives.length === 0
    const promise = this.#receives.add('receive', () => this.#receiveNow(), options)
    if (first) soon(this.#look)
    return promise
  }

  /**
   * The messages, until the socket is closed. Messages that break a limit, on which `receive` would
   * fail, are passed over and counted in `refused`: any sender could end the loop otherwise.
   *
   * @throws (rejects) what `receive` rejects with, but for messages that break a limit.
   */
  [Symbol.asyncIterator](): AsyncGenerator<ReceivedDatagram, void, void> {
    return iterateUntilClosed(
      () => this.closed,
      async () => {
        for (;;) {
          try {
            return await this.receive()
          } catch (error) {
            if (!isBeyondLimit(error)) throw error
          }
        }
      },
    )
  }

  /** Waiting keeps the process alive again. */
  ref(): this {
    return this.#setRef(true)
  }

  /**
   * Waiting no longer keeps the process alive.
   *
   * @example
   * ```ts
   * const socket = await UnixDatagram.bind('/run/app/log.sock')
   * socket.unref() // the process may end, though it waits for messages
   * socket.ref() // and again not
   * socket.close()
   * ```
   */
  unref(): this {
    return this.#setRef(false)
  }

  /** Idempotent. Removes the path if it still is this socket's. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    leaks.unregister(this)
    this.#watch.close()
    forgetName(this.#handle)
    this.#handle.close()
    this.#receives.fail(closedError())
    for (const sender of this.#senders.values()) sender.fail(closedError())
    this.#senders.clear()
  }

  /** Closes the socket at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** @internal */
  notify(readiness: number): void {
    if ((readiness & Readiness.writable) !== 0) this.#onWritable()
    if ((readiness & Readiness.readable) !== 0 && this.#open) this.#onReadable()
  }

  readonly #look = (): void => {
    this.#receives.service()
    if (this.#receives.length === 0) return
    try {
      this.#watch.add(Readiness.readable)
    } catch (error) {
      this.#receives.fail(error)
    }
  }

  #receiveNow(): ReceivedDatagram | typeof notYet {
    const read = this.#reader.read()
    if (read === nothing) return notYet
    if (read instanceof Error) {
      this.#reader.close()
      if (isBeyondLimit(read)) this.#refused++
      throw read
    }
    const message: ReceivedDatagram = {
      data: read === end ? Buffer.alloc(0) : read, // there is no end: an empty message
      from: this.#handle.sender(),
      fds: this.#reader.takeDescriptors(),
    }
    const credentials = credentialsOfLast()
    if (credentials !== undefined) message.credentials = credentials
    return message
  }

  #senderTo(to: string | undefined): DatagramSender {
    const key = to ?? ''
    let sender = this.#senders.get(key)
    if (sender === undefined) {
      sender = new DatagramSender(this.#handle, to, {
        // The system tells when there is room only for a peer that the socket is connected to.
        watch:
          to === undefined && this.#connected
            ? () => {
                this.#watch.add(Readiness.writable)
              }
            : undefined,
        idle: () => {
          // One that is told late that nothing waits may have been replaced.
          if (this.#senders.get(key) === sender) this.#senders.delete(key)
        },
        ref: this.#watch.ref,
      })
      this.#senders.set(key, sender)
    }
    return sender
  }

  #onReadable(): void {
    if (this.#receives.length === 0) this.#watch.remove(Readiness.readable)
    else this.#receives.service()
  }

  #onWritable(): void {
    const sender = this.#senders.get('')
    if (sender === undefined) this.#watch.remove(Readiness.writable)
    else sender.service()
  }

  #setRef(ref: boolean): this {
    this.#watch.ref = ref
    this.#receives.ref = ref
    for (const sender of this.#senders.values()) sender.ref = ref
    return this
  }
}

const limitCodes: unknown[] = [
  'ERR_SLUICE_MESSAGE_TOO_LONG',
  'ERR_SLUICE_FDS_LIMIT',
  'ERR_SLUICE_FDS_TRUNCATED',
]

function isBeyondLimit(error: unknown): boolean {
  return error instanceof SluiceError && limitCodes.includes(error.code)
}

function closedError(): SluiceError {
  return new SluiceError('ERR_SLUICE_CLOSED', 'the datagram socket is closed')
}

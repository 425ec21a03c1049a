import type { Duplex } from 'node:stream'

import { Channel } from '../channel/channel.js'
import { checkInteger, checkList, invalidArgument, ownOptions } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { inNextTurn, mayGoOn } from '../core/turn.js'
import {
  aborted,
  checkWaitOptions,
  waitOptionNames,
  type WaitOptions,
} from '../core/wait_options.js'
import { notYet, WaitQueue } from '../core/wait_queue.js'
import type { DescriptorSource, FileDescriptor } from '../socket/file_descriptor.js'
import { closeAll } from '../transport/inbox.js'
import type { Closable } from '../transport/transport.js'
import { codecOf, decoded, encoded, type Codec, type CodecName } from './codecs.js'
import { ChannelFrames } from './channel_frames.js'
import { closedError } from './duplex_writer.js'
import { longestFrame } from './frame_parser.js'
import type { FrameCarrier } from './frames.js'
import { checkedHeartbeat, Heartbeat, type HeartbeatOptions } from './heartbeat.js'
import { StreamFrames } from './stream_frames.js'

/** Options of {@link framed}. */
export interface FramedOptions {
  /** Bytes of the longest message that is sent and taken; default 1 MiB, at most 1 GiB. */
  maxLength?: number
  /** The form of a message: how it becomes bytes; default `'bytes'`. */
  codec?: CodecName | Codec
  /**
   * Closes the connection when the peer falls silent. Default none: on one machine the system tells of
   * a peer's death. Both sides must have it: see {@link framed}.
   */
  heartbeat?: HeartbeatOptions
}

/** Options of the sends of a {@link FramedConnection}. */
export interface FramedSendOptions extends WaitOptions {
  /**
   * Over a Unix socket or a channel, not on Windows; at most 253, default none. They stay the caller's to
   * close. Over a channel those of `sendMany` come with the first message.
   */
  fds?: readonly DescriptorSource[]
}

/** A message with what came beside it; see {@link FramedConnection}. */
export interface MessageWithFds<Received> {
  /** The message, as `receive` gives it. */
  message: Received
  /** The receiver's to close. */
  fds: FileDescriptor[]
}

const defaultMaxLength = 2 ** 20

/**
 * A connection of messages, a `MessageConnection`; made by {@link framed}.
 *
 * @example
 * ```ts
 * const server = await listen('tcp:127.0.0.1:0')
 * const one = framed(await connect(server.address))
 * const other = framed(await server.accept())
 * await one.sendMany([Buffer.from('a'), Buffer.from('b')])
 * await one.closeWrite()
 * for await (const message of other) console.log(String(message)) // a, b
 * console.log(await other.receiveMany(), await other.receiveWithFds()) // undefined undefined
 * one.close()
 * other.close()
 * server.close()
 * ```
 */
export class FramedConnection<Received = Buffer, Sent = Received> {
  readonly #carrier: FrameCarrier
  readonly #codec: Codec
  readonly #maxLength: number
  readonly #heartbeat: Heartbeat | undefined
  /** Resolves when the connection is over: with the error that ended it, or with undefined. */
  readonly whenClosed: Promise<Error | undefined>
  readonly #receives = new WaitQueue(() => {
    this.#serve()
  })
  /** A frame that was looked for before anybody asked, to see heartbeats behind it. */
  #ahead: { readonly frame: Buffer; readonly cargo: readonly Closable[] } | undefined
  /** Told by the next `receive`, because the one before had messages to tell. */
  #held: SluiceError | undefined
  #failure: Error | undefined
  #closed = false
  /** Closed here: what has come and was not received is dropped. */
  #dropped = false

  /** @internal */
  constructor(
    carrier: FrameCarrier,
    codec: Codec,
    maxLength: number,
    heartbeat: Required<HeartbeatOptions> | undefined,
  ) {
    this.#carrier = carrier
    this.#codec = codec
    this.#maxLength = maxLength
    this.whenClosed = new Promise((resolve) => {
      carrier.attach({
        arrived: () => {
          this.#heartbeat?.arrived()
          this.#serve()
        },
        closed: (error) => {
          this.#failure ??= error
          this.#onClosed()
          resolve(this.#failure)
        },
      })
    })
    if (heartbeat === undefined) return
    this.#heartbeat = new Heartbeat(heartbeat, {
      beat: () => {
        carrier.beat()
      },
      readsAhead: () => this.#ahead === undefined,
      silent: (error) => {
        this.#fail(error)
      },
    })
    this.#readOn()
  }

  /** Whether it is over. */
  get closed(): boolean {
    return this.#closed
  }

  /**
   * Sends one message; resolves when the system has it.
   *
   * A send that is cancelled before its first byte has gone leaves nothing behind; one that is cancelled
   * later ends the connection, as `Connection.send` does.
   *
   * @throws `ERR_SLUICE_INVALID_ARGUMENT`, for a message that cannot be encoded as well; (rejects)
   * `ERR_SLUICE_MESSAGE_TOO_LONG` beyond `maxLength`, with which nothing is sent, `EPIPE`,
   * `ECONNRESET`, `ERR_SLUICE_CLOSED`, `ERR_SLUICE_TIMEOUT`, `ERR_SLUICE_QUEUE_FULL`, the signal's
   * reason.
   */
  send(message: Sent, options: FramedSendOptions = {}): Promise<void> {
    return this.#send([encoded(this.#codec, message)], options)
  }

  /**
   * Sends several messages with one write, which costs about as much as one.
   *
   * @throws as `send`
   */
  sendMany(messages: readonly Sent[], options: FramedSendOptions = {}): Promise<void> {
    const list = checkList('messages', messages, 2 ** 20)
    return this.#send(
      list.map((message) => encoded(this.#codec, message)),
      options,
    )
  }

  /**
   * The next message; undefined at the end. Nothing is read while nobody receives, so a sender is held
   * back. Descriptors that came with the message are closed.
   *
   * A message of bytes is a part of what was read with it, which stays in memory for as long.
   *
   * @throws (rejects) `ERR_SLUICE_MESSAGE_TOO_LONG`, `ERR_SLUICE_MESSAGE_TRUNCATED` at an end in the
   * middle of a message, `ERR_SLUICE_CORRUPT` (over a channel), which close the connection;
   * `ERR_SLUICE_MESSAGE_INVALID`, after which the next message can be received;
   * `ERR_SLUICE_HEARTBEAT_TIMEOUT`, `ECONNRESET`, `ERR_SLUICE_PEER_DIED` (over a channel),
   * `ERR_SLUICE_CLOSED`, `ERR_SLUICE_TIMEOUT`, `ERR_SLUICE_QUEUE_FULL`, the signal's reason.
   */
  receive(options: WaitOptions = {}): Promise<Received | undefined> {
    return this.#receive(this.#takeMessage, options)
  }

  /**
   * The next message with the descriptors that came with it.
   *
   * @throws (rejects) as `receive`
   */
  receiveWithFds(options: WaitOptions = {}): Promise<MessageWithFds<Received> | undefined> {
    return this.#receive(this.#takeWithFds, options)
  }

  /**
   * All messages that are there, at least one; undefined at the end. Many small messages cost one
   * promise, and not one each.
   *
   * @throws (rejects) as `receive`, but the messages before a failure are told first
   */
  receiveMany(options: WaitOptions = {}): Promise<Received[] | undefined> {
    return this.#receive(this.#takeMany, options)
  }

  /**
   * The messages until the end. To stop early closes nothing.
   *
   * @throws (rejects) as `receive`
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Received> {
    const iterator: AsyncIterableIterator<Received> = {
      next: () =>
        this.receive().then((value) =>
          value === undefined ? { done: true, value } : { done: false, value },
        ),
      return: (value?: unknown) => Promise.resolve({ done: true, value }),
      [Symbol.asyncIterator]: () => iterator,
    }
    return iterator
  }

  /**
   * Ends the writing side, when everything before is written; the peer sees the end.
   *
   * @throws (rejects) as `Connection.closeWrite`
   */
  closeWrite(options: WaitOptions = {}): Promise<void> {
    options = ownOptions(options, waitOptionNames)
    checkWaitOptions(options)
    return this.#carrier.closeWrite(options)
  }

  /** Closes at once, the connection beneath as well: what was not written is lost. Idempotent. */
  close(): void {
    if (this.#dropped) return
    this.#drop()
    this.#carrier.close()
  }

  /** The same as `close()`. */
  [Symbol.dispose](): void {
    this.close()
  }

  // Sending.

  #send(payloads: readonly Uint8Array[], options: FramedSendOptions): Promise<void> {
    const tooLong = payloads.find(({ byteLength }) => byteLength > this.#maxLength)
    if (tooLong !== undefined) {
      return Promise.reject(
        new SluiceError(
          'ERR_SLUICE_MESSAGE_TOO_LONG',
          `the message has ${String(tooLong.byteLength)} bytes, and ${String(this.#maxLength)} ` +
            'are the most (options.maxLength)',
        ),
      )
    }
    if (this.#closed) return Promise.reject(this.#failure ?? closedError())
    return this.#carrier.send(payloads, options)
  }

  // Receiving.

  #receive<T>(take: () => T | typeof notYet, options: WaitOptions): Promise<T> {
    options = ownOptions(options, waitOptionNames)
    checkWaitOptions(options)
    if (options.signal?.aborted === true) return aborted(options.signal)
    if (this.#receives.length === 0 && mayGoOn()) {
      try {
        this.#carrier.look()
        const taken = take()
        if (taken !== notYet) return Promise.resolve(taken)
      } catch (error) {
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- ours
        return Promise.reject(error)
      }
    }
    const promise = this.#receives.add('receive', take, options)
    // Always finding something at once would keep the event loop from all others.
    inNextTurn(this.#serve)
    return promise
  }

  readonly #serve = (): void => {
    this.#receives.service()
    this.#readOn()
  }

  /** Reads while somebody waits; with heartbeats, also while nothing is there that nobody wants. */
  #readOn(): void {
    if (this.#closed || this.#carrier.atEnd) return
    if (this.#receives.length > 0 || (this.#heartbeat !== undefined && !this.#looksAhead())) {
      this.#carrier.read()
    } else {
      this.#carrier.pause()
    }
  }

  /** Whether there is a frame that nobody has asked for. */
  #looksAhead(): boolean {
    if (this.#ahead !== undefined) return true
    try {
      const frame = this.#carrier.take()
      if (frame === undefined) return false
      this.#ahead = { frame, cargo: this.#carrier.takeCargo() }
    } catch (error) {
      this.#fail(error as Error)
    }
    return true
  }

  /** The next frame that is there; undefined at the end. */
  #takeFrame(): Buffer | undefined | typeof notYet {
    const held = this.#held
    this.#held = undefined
    if (held !== undefined) throw held
    if (this.#dropped) throw this.#failure ?? closedError()
    if (this.#ahead !== undefined) return this.#ahead.frame
    let frame: Buffer | undefined
    try {
      frame = this.#carrier.take()
    } catch (error) {
      this.#fail(error as Error)
      throw error
    }
    if (frame !== undefined) return frame
    if (this.#carrier.atEnd) return undefined
    if (this.#closed) throw this.#failure ?? closedError()
    return notYet
  }

  #takeCargo(): readonly Closable[] {
    const cargo = this.#ahead?.cargo ?? this.#carrier.takeCargo()
    this.#ahead = undefined
    return cargo
  }

  readonly #takeMessage = (): Received | undefined | typeof notYet => {
    const frame = this.#takeFrame()
    if (frame === undefined || frame === notYet) return frame
    const cargo = this.#takeCargo()
    if (cargo.length > 0) closeAll(cargo)
    return decoded(this.#codec, frame) as Received
  }

  readonly #takeWithFds = (): MessageWithFds<Received> | undefined | typeof notYet => {
    const frame = this.#takeFrame()
    if (frame === undefined || frame === notYet) return frame

    const fds = [...this.#takeCargo()] as FileDescriptor[]
    try {
      return { message: decoded(this.#codec, frame) as Received, fds }
    } catch (error) {
      closeAll(fds)
      throw error
    }
  }

  readonly #takeMany = (): Received[] | undefined | typeof notYet => {
    const first = this.#takeMessage()
    if (first === notYet || first === undefined) return first as undefined | typeof notYet
    const messages = [first as Received]
    try {
      for (;;) {
        const message = this.#takeMessage()
        if (message === undefined || message === notYet) break
        messages.push(message)
      }
    } catch (error) {
      this.#held = error as SluiceError
    }
    return messages
  }

  // The end.

  #fail(error: Error): void {
    if (this.#dropped) return
    this.#failure ??= error
    this.#carrier.close(error)
    this.#drop()
  }

  #drop(): void {
    this.#dropped = true
    if (this.#ahead !== undefined) closeAll(this.#ahead.cargo)
    this.#ahead = undefined
    this.#onClosed()
  }

  #onClosed(): void {
    if (this.#closed) return
    this.#closed = true
    this.#heartbeat?.stop()
    this.#receives.service()
  }
}

/**
 * Makes a connection of messages of any stream: each message has its length before it, 4 bytes,
 * big-endian, as most peers in other languages have it. The stream is this connection's from now on.
 *
 * Over a {@link Channel} a message is a record of the ring, without its length before it. Both ends have
 * to use `framed` then: bytes that the peer writes to its stream close the connection with
 * `ERR_SLUICE_CORRUPT`. A channel that went on as a plain stream is a socket as any other.
 *
 * | `codec` | a message is | |
 * | --- | --- | --- |
 * | `'bytes'` | a `Uint8Array`; a `Buffer` is received | the default |
 * | `'json'` | a value that JSON has, as UTF-8 | for peers in other languages |
 * | `'clone'` | what a structured clone has: dates, maps, typed arrays | `node:v8` at both ends, and only from peers that are trusted |
 * | `{ encode, decode }` | the user's own | |
 *
 * With `heartbeat` each side sends the length 0xffffffff, without a payload, once an interval, and
 * closes the connection with `ERR_SLUICE_HEARTBEAT_TIMEOUT` when nothing has come for the interval and
 * the timeout. Any byte counts. Both sides must have it, with the same interval: a peer without it
 * takes a heartbeat for a message that is too long (over a channel: `ERR_SLUICE_CORRUPT`), and sends none.
 * Without it the bytes are the messages and nothing else. A side with heartbeats reads up to one chunk that nobody has asked for.
 *
 * @throws `ERR_SLUICE_INVALID_ARGUMENT`
 *
 * @example
 * ```ts
 * const server = await listen('tcp:127.0.0.1:0')
 * const client = framed<{ question: string }>(await connect(server.address), { codec: 'json' })
 * const accepted = framed<{ question: string }>(await server.accept(), { codec: 'json' })
 * await client.send({ question: 'who is there?' })
 * console.log((await accepted.receive())?.question) // who is there?
 * client.close()
 * accepted.close()
 * server.close()
 * ```
 */
export function framed(
  connection: Duplex,
  options?: FramedOptions & { codec?: 'bytes' },
): FramedConnection<Buffer, Uint8Array>
export function framed<Received = unknown, Sent = Received>(
  connection: Duplex,
  options: FramedOptions & { codec: 'json' | 'clone' | Codec<Received, Sent> },
): FramedConnection<Received, Sent>
export function framed(connection: Duplex, options: FramedOptions = {}): unknown {
  checkDuplex(connection)
  const { maxLength, codec, heartbeat } = checkedFramedOptions(options)
  const carrier =
    connection instanceof Channel
      ? new ChannelFrames(connection, maxLength, heartbeat !== undefined)
      : new StreamFrames(connection, maxLength, heartbeat !== undefined)
  return new FramedConnection(carrier, codec, maxLength, heartbeat)
}

interface CheckedFramedOptions {
  readonly maxLength: number
  readonly codec: Codec
  readonly heartbeat: Required<HeartbeatOptions> | undefined
}

/** @throws `ERR_SLUICE_INVALID_ARGUMENT` */
export function checkedFramedOptions(given: FramedOptions, name = 'options'): CheckedFramedOptions {
  const options = ownOptions(given, ['maxLength', 'codec', 'heartbeat'], name)
  const { maxLength = defaultMaxLength, heartbeat } = options
  checkInteger(`${name}.maxLength`, maxLength, 1, longestFrame)
  const codec = codecOf(options.codec)
  return {
    maxLength,
    codec,
    heartbeat: heartbeat === undefined ? undefined : checkedHeartbeat(heartbeat),
  }
}

function checkDuplex(value: unknown): void {
  const { write, read, pause, resume, destroy } = Object(value) as Partial<Duplex>
  if ([write, read, pause, resume, destroy].every((member) => typeof member === 'function')) return
  throw invalidArgument('connection', 'a Duplex stream', value)
}

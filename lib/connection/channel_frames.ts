import { channelCargo } from '../channel/cargo_lane.js'
import { Channel } from '../channel/channel.js'
import type { ChannelTransport } from '../channel/channel_transport.js'
import { ownOptions } from '../core/arguments.js'
import {
  aborted,
  checkWaitOptions,
  waitOptionNames,
  type WaitOptions,
} from '../core/wait_options.js'
import { Connection } from '../transport/connection.js'
import type { Closable } from '../transport/transport.js'
import { frameTruncated, type FrameCarrier, type FrameEvents } from './frames.js'
import { MessageReader, plainBytes } from './message_reader.js'
import { MessageWriter } from './message_writer.js'

const optionNames = [channelCargo.name, ...waitOptionNames]

/**
 * Carries frames as records of a channel, which keep their boundaries by themselves. The peer has to do so as
 * well: bytes of a stream end the connection, and so does a message at a peer that reads the stream.
 */
export class ChannelFrames implements FrameCarrier {
  readonly #channel: Channel
  readonly #transport: ChannelTransport
  readonly #reader: MessageReader
  readonly #writer: MessageWriter
  #events: FrameEvents | undefined
  #wants = false
  #ended: boolean
  #error: Error | undefined
  #open = true

  constructor(channel: Channel, maxLength: number, hasBeats: boolean) {
    this.#channel = channel
    this.#ended = channel.readableEnded
    const transport = (this.#transport = Channel.transportOf(channel))
    this.#writer = new MessageWriter(transport)
    this.#reader = new MessageReader(transport.records, maxLength, hasBeats, {
      cargo: (number) => transport.takeCargo(number),
      arrived: (bytes) => {
        transport.progressed(bytes, 0)
        this.#events?.arrived()
        return this.#wants
      },
    })
    transport.carry(this.#reader, this.#writer)
    if (Connection.hasUnread(channel)) this.#reader.fail(plainBytes())
  }

  attach(events: FrameEvents): void {
    this.#events = events
    const channel = this.#channel
    channel.on('end', () => {
      this.#ended = true
      events.arrived()
    })
    channel.on('error', (error) => {
      this.#error ??= error
    })
    channel.on('close', () => {
      this.#onClose()
    })
    if (channel.closed) {
      process.nextTick(() => {
        this.#onClose()
      })
    }
  }

  get atEnd(): boolean {
    return this.#ended
  }

  read(): void {
    this.#wants = true
    if (this.#channel.destroyed) return
    try {
      this.#transport.read()
    } catch (error) {
      this.#channel.destroy(error as Error)
    }
  }

  pause(): void {
    if (!this.#wants) return
    this.#wants = false
    if (!this.#channel.destroyed) this.#transport.pause()
  }

  look(): void {
    if (!this.#channel.destroyed) this.#transport.readNow()
  }

  take(): Buffer | undefined {
    const message = this.#reader.next()
    if (message !== undefined || !this.#ended) return message
    const { missing } = this.#reader
    if (missing === 0) return undefined
    throw frameTruncated(missing)
  }

  takeCargo(): readonly Closable[] {
    return this.#reader.nextCargo()
  }

  send(payloads: readonly Uint8Array[], options: WaitOptions): Promise<void> {
    options = ownOptions(options, optionNames)
    checkWaitOptions(options)
    const numbers = channelCargo.check((options as { fds?: unknown }).fds)
    this.#transport.checkMessage(payloads.length, numbers !== undefined)
    if (options.signal?.aborted === true) return aborted(options.signal)
    if (!this.#channel.writable) return Promise.reject(Connection.closedReason(this.#channel))
    return this.#writer.send(payloads, numbers as readonly number[] | undefined, options)
  }

  beat(): void {
    if (this.#channel.writable) this.#writer.beat()
  }

  closeWrite(options: WaitOptions): Promise<void> {
    return this.#channel.closeWrite(options)
  }

  close(error?: Error): void {
    this.#reader.close()
    this.#channel.destroy(error)
  }

  #onClose(): void {
    if (!this.#open) return
    this.#open = false
    this.#writer.fail(Connection.closedReason(this.#channel))
    this.#events?.closed(this.#error)
  }
}

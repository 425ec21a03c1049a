import type { Duplex } from 'node:stream'

import type { WaitOptions } from '../core/wait_options.js'
import { Connection } from '../transport/connection.js'
import { closeAll } from '../transport/inbox.js'
import type { Closable } from '../transport/transport.js'
import { DuplexWriter } from './duplex_writer.js'
import { beatFrame, FrameParser, framesOf } from './frame_parser.js'
import { frameTruncated, type FrameCarrier, type FrameEvents } from './frames.js'

/** Carries frames over a stream of bytes. */
export class StreamFrames implements FrameCarrier {
  readonly #stream: Duplex
  readonly #parser: FrameParser
  /** Undefined for a connection, which has a `send`. */
  readonly #writer: DuplexWriter | undefined
  #events: FrameEvents | undefined
  /** Things that came, and whose bytes are the next chunk. */
  #cargo: Closable[] = []
  #ended = false
  #error: Error | undefined
  #isBeating = false
  #open = true

  constructor(stream: Duplex, maxLength: number, hasBeats: boolean) {
    this.#stream = stream
    this.#parser = new FrameParser(maxLength, hasBeats)
    this.#writer = stream instanceof Connection ? undefined : new DuplexWriter(stream)
  }

  attach(events: FrameEvents): void {
    this.#events = events
    const stream = this.#stream
    stream.pause() // else the next line would have it read
    stream.on('data', (chunk: Buffer) => {
      this.#parser.push(chunk, this.#cargo.splice(0))
      events.arrived()
    })
    stream.on('end', () => {
      this.#ended = true
      events.arrived()
    })
    stream.on('error', (error) => {
      this.#error ??= error
    })
    stream.on('close', () => {
      this.#onClose()
    })
    if (stream instanceof Connection) {
      for (const name of ['fds', 'handles']) {
        stream.on(name, (cargo: Closable[]) => {
          this.#cargo.push(...cargo)
        })
      }
    }
    if (stream.closed)
      process.nextTick(() => {
        this.#onClose()
      })
  }

  get atEnd(): boolean {
    return this.#ended
  }

  read(): void {
    if (this.#stream.isPaused()) this.#stream.resume()
  }

  pause(): void {
    if (!this.#stream.isPaused()) this.#stream.pause()
  }

  look(): void {
    // A stream tells of its bytes by itself.
  }

  take(): Buffer | undefined {
    const frame = this.#parser.take()
    if (frame !== undefined || !this.#ended) return frame
    const { missing } = this.#parser
    if (missing === 0) return undefined
    throw frameTruncated(missing)
  }

  takeCargo(): readonly Closable[] {
    return this.#parser.takeCargo()
  }

  send(payloads: readonly Uint8Array[], options: WaitOptions): Promise<void> {
    return this.#send(framesOf(payloads), options)
  }

  beat(): void {
    if (this.#isBeating || !this.#stream.writable) return
    this.#isBeating = true
    const done = () => {
      this.#isBeating = false
    }
    this.#send(beatFrame, {}).then(done, done)
  }

  closeWrite(options: WaitOptions): Promise<void> {
    if (this.#stream instanceof Connection) return this.#stream.closeWrite(options)
    return this.#writer?.send(undefined, options) ?? Promise.resolve()
  }

  close(error?: Error): void {
    this.#parser.close()
    closeAll(this.#cargo.splice(0))
    this.#stream.destroy(error)
  }

  #send(frames: Uint8Array, options: WaitOptions): Promise<void> {
    if (this.#stream instanceof Connection) return this.#stream.send(frames, options)
    return this.#writer?.send(frames, options) ?? Promise.resolve()
  }

  #onClose(): void {
    if (!this.#open) return
    this.#open = false
    this.#writer?.fail(this.#error)
    this.#events?.closed(this.#error)
  }
}

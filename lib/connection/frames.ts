/** The contract between a connection of messages and whatever carries its frames. */
import { SluiceError } from '../core/errors.js'
import type { WaitOptions } from '../core/wait_options.js'
import type { Closable } from '../transport/transport.js'

/** The events that a carrier tells its connection of. */
export interface FrameEvents {
  /** Bytes have come, or the end: `take` may find something. */
  arrived(): void
  /** It is over, with the error that it failed with. The last event, and told once. */
  closed(error: Error | undefined): void
}

/**
 * Carries whole messages as bytes. Over a stream each has its length before it; a carrier that keeps
 * boundaries by itself needs none.
 */
export interface FrameCarrier {
  /** The peer has ended, and `take` has told all that came before. */
  readonly atEnd: boolean

  /** Called once, before all others. */
  attach(events: FrameEvents): void
  /** Frames are wanted, for as long as `take` finds none. */
  read(): void
  /** No more are wanted. */
  pause(): void
  /** Looks for frames that are there already, a bounded number, where that needs no waiting. */
  look(): void
  /**
   * The next frame that is there.
   *
   * @throws `ERR_SLUICE_MESSAGE_TOO_LONG`, `ERR_SLUICE_MESSAGE_TRUNCATED`, `ERR_SLUICE_CORRUPT`, after
   * which there is none
   */
  take(): Buffer | undefined
  /** The things that came with the frame that was taken last; the caller's to close. */
  takeCargo(): readonly Closable[]
  /** Sends all of them with one write; the options of the connection's own `send`. */
  send(payloads: readonly Uint8Array[], options: WaitOptions): Promise<void>
  /** A sign of life, unless the one before still waits. */
  beat(): void
  closeWrite(options: WaitOptions): Promise<void>
  /** Lets go of it at once; `closed` follows. */
  close(error?: Error): void
}

/** The error for a message of the peer that is too long; nothing was allocated for it. */
export function frameTooLong(
  length: number,
  maxLength: number,
  hint = 'options.maxLength',
): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_MESSAGE_TOO_LONG',
    `a message of the peer has ${String(length)} bytes, and ${String(maxLength)} are the most (${hint})`,
  )
}

/** The error for an end in the middle of a message. */
export function frameTruncated(missing: number): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_MESSAGE_TRUNCATED',
    `the connection has ended in the middle of a message: ${String(missing)} bytes are missing`,
    { missing },
  )
}

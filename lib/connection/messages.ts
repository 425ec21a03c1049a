import type { Shape } from '../core/arguments.js'
import type { WaitOptions } from '../core/wait_options.js'

/**
 * The part that every connection of messages has, whatever carries it: `framed` makes such, and pools
 * and reconnecting connections are made of such. See {@link framed}.
 */
export interface MessageConnection<T = Buffer> {
  /** Whether it is over. */
  readonly closed: boolean
  /** Sends one message; resolves when the system has it. */
  send(message: T, options?: WaitOptions): Promise<void>
  /** The next message; undefined at the end. */
  receive(options?: WaitOptions): Promise<T | undefined>
  /** Lets go of the connection at once. Idempotent. */
  close(): void
  /** Resolves once, when the connection is over: with the error that ended it, or with undefined. */
  readonly whenClosed: Promise<Error | undefined>
}

export const messageConnectionShape: Shape<MessageConnection<unknown>> = {
  closed: 'boolean',
  send: 'function',
  receive: 'function',
  close: 'function',
  whenClosed: 'object',
}

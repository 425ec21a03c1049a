import { checkBoolean, checkInteger, invalidArgument } from '../core/arguments.js'
import type { NamedPipeConnectionOptions } from './named_pipe_connection.js'

export function checkPipeMode(mode: unknown): void {
  if (mode !== undefined && mode !== 'byte' && mode !== 'message') {
    throw invalidArgument('options.mode', "'byte' or 'message'", mode)
  }
}

export function checkConnectionOptions(options: NamedPipeConnectionOptions): void {
  const { allowHalfOpen, highWaterMark, maxMessageLength } = options
  if (allowHalfOpen !== undefined) checkBoolean('options.allowHalfOpen', allowHalfOpen)
  if (highWaterMark !== undefined) checkInteger('options.highWaterMark', highWaterMark, 1, 2 ** 30)
  if (maxMessageLength !== undefined) {
    checkInteger('options.maxMessageLength', maxMessageLength, 1, 2 ** 30)
  }
}

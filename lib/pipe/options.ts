import { checkBoolean, checkInteger, invalidArgument } from '../core/arguments.js'
import { checkConnectionOptions } from '../transport/connection_options.js'
import type { NamedPipeConnectionOptions } from './named_pipe_connection.js'

export function checkPipeMode(mode: unknown): void {
  if (mode !== undefined && mode !== 'byte' && mode !== 'message') {
    throw invalidArgument('options.mode', "'byte' or 'message'", mode)
  }
}

export function checkPipeOptions(
  options: NamedPipeConnectionOptions & { mode?: 'byte' | 'message' },
): void {
  const { highWaterMark, maxMessageLength, handles, mode } = options
  checkConnectionOptions(options)
  if (highWaterMark !== undefined) checkInteger('options.highWaterMark', highWaterMark, 1, 2 ** 30)
  if (maxMessageLength !== undefined) {
    checkInteger('options.maxMessageLength', maxMessageLength, 1, 2 ** 30)
    if (mode !== 'message') {
      throw invalidArgument(
        'options.maxMessageLength',
        "left out unless options.mode is 'message'",
        maxMessageLength,
      )
    }
  }
  if (handles === undefined) return
  checkBoolean('options.handles', handles)
  if (handles && mode !== 'message') {
    throw invalidArgument('options.handles', "false unless options.mode is 'message'", handles)
  }
}

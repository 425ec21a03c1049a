/**
 * The texts that commands print on stdout, apart from the bytes of `recv`. A write there may fail,
 * and may not be done when it returns: a command ends when `printed()` has resolved.
 *
 * Only a command that prints touches `process.stdout`: Node makes a pipe there non-blocking, which
 * would be in the way of `recv`.
 */
import { clearScreenDown, cursorTo } from 'node:readline'

import { isSystemError } from '../index.js'
import { CommandFailure, exitCodes } from './failure.js'
import { fileFailure } from './files.js'
import { printableLines } from './printable.js'

let allWrites: Promise<unknown> = Promise.resolve()

export function print(text: string): void {
  const { stdout } = process
  // The callback tells what failed; without a listener the event would end in a stack.
  if (!stdout.listeners('error').includes(ignore)) stdout.on('error', ignore)
  const write = new Promise<void>((resolve, reject) => {
    stdout.write(printableLines(text), (error) => {
      if (error) reject(failureOf(error))
      else resolve()
    })
  })
  allWrites = Promise.all([allWrites, write])
  allWrites.catch(ignore) // printed() tells
}

/** Clears the terminal that stdout is, for the next text to be at its top. */
export function clearTerminal(): void {
  cursorTo(process.stdout, 0, 0)
  clearScreenDown(process.stdout)
}

/** Resolves when the system has taken everything; rejects with the first failure, once. */
export async function printed(): Promise<void> {
  const writes = allWrites
  allWrites = Promise.resolve()
  await writes
}

/** Calls `failed` when a write there has failed that nobody else looks at; until what it returns is called. */
export function watchStdout(failed: (failure: CommandFailure) => void): () => void {
  const listener = (error: Error) => {
    failed(failureOf(error))
  }
  process.stdout.on('error', listener)
  return () => {
    process.stdout.off('error', listener)
  }
}

/** Without a message when the reader is gone, such as in `sluice ls | head -1`. */
function failureOf(error: Error): CommandFailure {
  if (isSystemError(error, 'EPIPE')) return new CommandFailure('', exitCodes.brokenPipe)
  return fileFailure('write', 'stdout', error)
}

function ignore(): void {
  // Nothing to do.
}

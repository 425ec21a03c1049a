/** `sluice recv` over a connection. */
import { createHash } from 'node:crypto'

import type { Address } from '../../index.js'
import { CommandFailure, isSluiceError } from '../failure.js'
import type { Output } from '../files.js'
import { formatSeconds } from '../format.js'
import type { Note } from '../notes.js'
import { Progress, type Outcome } from '../progress.js'
import { unlessAborted } from '../waiting.js'
import { emptyMessage, type Line } from './line.js'
import { meet, type ConnectedOptions } from './meet.js'

/** Resolves when the end has come and all is written: with the hash, and how it went. */
export async function receiveConnected(
  address: Address,
  output: Output,
  options: ConnectedOptions,
  signal: AbortSignal,
  account: { bytes: number },
  note: Note,
): Promise<Outcome> {
  const line = await meet('receiver', address, options, signal, note)
  const hash = options.hash === true ? createHash('sha256') : undefined
  const progress = new Progress('receiving', undefined, options.quiet !== true)
  try {
    for (let ended = false; !ended;) {
      const messages = await nextMessages(line, options.timeout, signal)
      for (const message of messages) {
        if (message.byteLength === 0) {
          await output.finish()
          ended = true
          break
        }
        await unlessAborted(output.write(message), signal)
        hash?.update(message)
        account.bytes += message.byteLength
        progress.bytes = account.bytes
      }
      await answer(line, messages.length, signal)
    }
    // Lets the last answer arrive.
    await line.messages.closeWrite({ signal }).catch(ignoreGone)
  } finally {
    progress.stop()
    line.messages.close()
  }
  return { hash: hash?.digest('hex'), summary: progress.stop() }
}

async function nextMessages(
  line: Line,
  timeout: number | undefined,
  signal: AbortSignal,
): Promise<Buffer[]> {
  try {
    const wait = { signal, ...(timeout !== undefined && { timeout }) }
    const messages = await line.messages.receiveMany(wait)
    if (messages !== undefined) return messages
  } catch (error) {
    if (!isSluiceError(error, 'ERR_SLUICE_TIMEOUT')) throw line.explained(error)
    const time = formatSeconds(timeout ?? 0)
    throw new CommandFailure(`nothing came through ${line.shown} for ${time}`)
  }
  throw line.gone()
}

async function answer(line: Line, count: number, signal: AbortSignal): Promise<void> {
  const answers = Array.from({ length: count }, () => emptyMessage)
  await line.messages.sendMany(answers, { signal }).catch(ignoreGone)
  signal.throwIfAborted()
}

/** A sender that has gone may have sent its end before: what comes next tells. */
function ignoreGone(): void {
  // Nothing to do.
}

import { createHash } from 'node:crypto'

import type { Consumer } from '../index.js'
import { CommandFailure, exitCodes, isSluiceError, messageOf } from './failure.js'
import { Output } from './files.js'
import { formatBytes, formatSeconds } from './format.js'
import { abortAtSignals } from './interruption.js'
import { notesOf, type Note } from './notes.js'
import { Progress } from './progress.js'
import type { TransferOptions } from './send.js'
import { joinAsReceiver, removeName, shown, type Session } from './session.js'
import { unlessAborted } from './waiting.js'

/** `sluice recv`: resolves when the stream has ended, all is written and the ring's name is gone. */
export async function recv(name: string, file: string, options: TransferOptions): Promise<void> {
  const note = notesOf('recv', options.quiet === true)
  const stop = new AbortController()
  abortAtSignals(stop)
  const output = await Output.open(file)
  const progress = { bytes: 0 }
  try {
    const session = await joinAsReceiver(name, options, stop.signal)
    try {
      await receive(session, output, options, stop.signal, progress, note)
      // The name goes before the role: see session.ts.
      removeName(session.ring)
      session.end.close()
    } catch (error) {
      // Not close(): the sender must not take this for a clean end.
      session.end.abandon()
      if (!session.ring.stats().producer.alive) removeName(session.ring)
      throw error
    }
  } catch (error) {
    const failure = stop.signal.aborted ? (stop.signal.reason as unknown) : error
    const fate = await output.giveUp()
    throw new CommandFailure(
      `${messageOf(failure)}; ${formatBytes(progress.bytes)} received, ${fate}`,
      failure instanceof CommandFailure ? failure.exitCode : exitCodes.failed,
    )
  }
}

async function receive(
  { ring, end }: Session<Consumer>,
  output: Output,
  options: TransferOptions,
  signal: AbortSignal,
  account: { bytes: number },
  note: Note,
): Promise<void> {
  const { timeout, quiet } = options
  const hash = options.hash === true ? createHash('sha256') : undefined
  const { used, producer } = ring.stats()
  if (used === 0 && !producer.alive && producer.state === 'never') {
    note(`waiting for a sender ("sluice send ${shown(ring)}")`)
  }
  let progress: Progress | undefined
  try {
    while (await nextMessage({ ring, end }, timeout, signal)) {
      // The rate is that of the transfer, not of the wait for it.
      progress ??= new Progress('receiving', undefined, quiet !== true)
      const length = end.peek()
      const message = end.bytes.subarray(end.offset, end.offset + length)
      await unlessAborted(output.write(message), signal)
      hash?.update(message)
      end.release() // what is released has been written out: the sender counts on it
      account.bytes += length
      progress.bytes = account.bytes
    }
    await output.finish()
  } finally {
    progress?.stop()
  }
  if (hash !== undefined) process.stderr.write(`sha256 ${hash.digest('hex')}\n`)
  if (process.stderr.isTTY) {
    note(`received ${progress === undefined ? formatBytes(0) : progress.stop()}`)
  }
}

async function nextMessage(
  { ring, end }: Session<Consumer>,
  timeout: number | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return end.peek() >= 0 || (await end.ready({ signal, timeout }))
  } catch (error) {
    const { pid, state } = ring.stats().producer
    if (isSluiceError(error, 'ERR_SLUICE_PEER_DIED')) {
      throw new CommandFailure(
        `the sender of ${shown(ring)}, process ${String(pid)}, died or was stopped before its end`,
      )
    }
    if (isSluiceError(error, 'ERR_SLUICE_TIMEOUT')) {
      const time = formatSeconds(timeout ?? 0)
      throw new CommandFailure(
        state === 'never'
          ? `no sender has come to ${shown(ring)} within ${time}`
          : `nothing came through ${shown(ring)} for ${time}`,
      )
    }
    throw error
  }
}

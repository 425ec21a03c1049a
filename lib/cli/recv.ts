import { createHash } from 'node:crypto'

import { capabilities, type Consumer, type Ring } from '../index.js'
import { targetAddress } from './addresses.js'
import { receiveConnected } from './connected/recv.js'
import { CommandFailure, exitCodes, isSluiceError, messageOf } from './failure.js'
import { Output } from './files.js'
import { formatBytes, formatSeconds } from './format.js'
import { abortAtSignals } from './interruption.js'
import { notesOf, type Note } from './notes.js'
import { Progress, type Outcome } from './progress.js'
import type { TransferOptions } from './send.js'
import { deadlineOf, joinAsReceiver, leave, removeName, shown, type Session } from './session.js'
import { unlessAborted } from './waiting.js'

// How often a receiver that waits looks whether its ring still bears the name.
const lookMs = 200

/** `sluice recv`: resolves when the stream has ended, all is written and the ring's name is gone. */
export async function recv(target: string, file: string, options: TransferOptions): Promise<void> {
  const address = targetAddress(target, options)
  const note = notesOf('recv', options.quiet === true)
  const stop = new AbortController()
  abortAtSignals(stop)
  const output = await Output.open(file)
  const progress = { bytes: 0 }
  try {
    const { signal } = stop
    const { hash, summary } =
      address === undefined
        ? await receiveFromRing(target, output, options, signal, progress, note)
        : await receiveConnected(address, output, options, signal, progress, note)
    if (hash !== undefined) process.stderr.write(`sha256 ${hash}\n`)
    if (process.stderr.isTTY) note(`received ${summary}`)
  } catch (error) {
    const failure = stop.signal.aborted ? (stop.signal.reason as unknown) : error
    const fate = await output.giveUp()
    const account = fate === undefined ? '' : `; ${formatBytes(progress.bytes)} received, ${fate}`
    throw new CommandFailure(
      `${messageOf(failure)}${account}`,
      failure instanceof CommandFailure ? failure.exitCode : exitCodes.failed,
    )
  }
}

async function receiveFromRing(...args: Parameters<typeof oneSession>): Promise<Outcome> {
  for (;;) {
    const outcome = await oneSession(...args)
    if (outcome !== undefined) return outcome
    // The name led elsewhere before anything had come: see session.ts.
  }
}

/** Undefined when it has to be tried again. */
async function oneSession(
  name: string,
  output: Output,
  options: TransferOptions,
  signal: AbortSignal,
  account: { bytes: number },
  note: Note,
): Promise<Outcome | undefined> {
  const session = await joinAsReceiver(name, options, signal)
  try {
    if (!(await senderComes(session, options, signal, note))) {
      leave(session)
      return undefined
    }
    const outcome = await receive(session, output, options, signal, account)
    session.end.close()
    tidyUp(session)
    return outcome
  } catch (error) {
    // Not close(): the sender must not take this for a clean end.
    session.end.abandon()
    tidyUp(session)
    throw error
  }
}

/** A sender that is there needs the ring: to see what happened, or for the next transfer already. */
function tidyUp({ ring }: Session<Consumer>): void {
  if (!ring.stats().producer.alive) removeName(ring)
}

/** Waits for the first bytes, or the end: true; or the name leads elsewhere: false, join again. */
async function senderComes(
  { ring, end }: Session<Consumer>,
  options: TransferOptions,
  signal: AbortSignal,
  note: Note,
): Promise<boolean> {
  const deadline = deadlineOf(options)
  let told = false
  for (;;) {
    const { state, alive } = ring.stats().producer
    if (!told && state === 'never') {
      told = true
      note(`waiting for a sender ("sluice send ${shown(ring)}")`)
    }
    try {
      const left = Math.max(0, deadline - performance.now())
      await end.ready({ signal, timeout: Math.min(left, lookMs) })
      return true
    } catch (error) {
      const isOver = isSluiceError(error, 'ERR_SLUICE_PEER_DIED') || performance.now() >= deadline
      if (!isOver && !isSluiceError(error, 'ERR_SLUICE_TIMEOUT')) throw error
      if (!ring.isNamed) return false
      if (isOver) throw explained(error, ring, options.timeout, alive)
    }
  }
}

async function receive(
  { ring, end }: Session<Consumer>,
  output: Output,
  options: TransferOptions,
  signal: AbortSignal,
  account: { bytes: number },
): Promise<Outcome> {
  const { timeout, quiet } = options
  const hash = options.hash === true ? createHash('sha256') : undefined
  const progress = new Progress('receiving', undefined, quiet !== true)
  try {
    for (;;) {
      const message = await nextMessage({ ring, end }, timeout, signal)
      if (message === undefined) break
      await unlessAborted(output.write(message), signal)
      hash?.update(message)
      end.release() // what is released has been written out: the sender counts on it
      account.bytes += message.byteLength
      progress.bytes = account.bytes
    }
    await output.finish()
  } finally {
    progress.stop()
  }
  return { hash: hash?.digest('hex'), summary: progress.stop() }
}

/** The next message, still to be released; undefined at the end of the stream. */
async function nextMessage(
  { ring, end }: Session<Consumer>,
  timeout: number | undefined,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const peek = capabilities().zeroCopy ? peekView : peekCopy
  try {
    return peek(end) ?? ((await end.ready({ signal, timeout })) ? peek(end) : undefined)
  } catch (error) {
    throw explained(error, ring, timeout, true)
  }
}

function peekView(end: Consumer): Buffer | undefined {
  const length = end.peek()
  return length < 0 ? undefined : end.bytes.subarray(end.offset, end.offset + length)
}

// read() would release the message before it is written out, and a crash in between would lose it.
// A message that drain() shows to a handler that throws stays in the ring.
function peekCopy(end: Consumer): Buffer | undefined {
  let copy: Buffer | undefined
  try {
    end.drain((message) => {
      copy = message
      throw keepIt
    }, 1)
  } catch (error) {
    if (error !== keepIt) throw error
  }
  return copy
}

const keepIt = new Error('not released yet')

function explained(
  error: unknown,
  ring: Ring,
  timeout: number | undefined,
  senderIsThere: boolean,
): unknown {
  if (isSluiceError(error, 'ERR_SLUICE_PEER_DIED')) {
    const { pid } = ring.stats().producer
    return new CommandFailure(
      `the sender of ${shown(ring)}, process ${String(pid)}, died or was stopped before its end`,
    )
  }
  if (isSluiceError(error, 'ERR_SLUICE_TIMEOUT')) {
    const time = formatSeconds(timeout ?? 0)
    return new CommandFailure(
      senderIsThere
        ? `nothing came through ${shown(ring)} for ${time}`
        : `no sender has come to ${shown(ring)} within ${time}`,
    )
  }
  return error
}

/**
 * One transfer through a named ring, from the first of both sides that comes to the last that goes.
 *
 * The receiver removes the ring's name at the end, unless the next sender is there already. It may
 * do so just after the next sender or receiver has opened the ring. A side that waits for the other
 * therefore looks whether the name still leads to its ring, and if not, starts again.
 */
import { isSystemError, Ring, type Consumer, type Producer } from '../index.js'
import type { UserId } from '../core/arguments.js'
import { CommandFailure, isSluiceError } from './failure.js'
import { formatBytes, formatSeconds } from './format.js'
import type { Note } from './notes.js'
import { poll } from './waiting.js'

const pollMs = 20
const defaultCapacity = 2 ** 22
const defaultMode = 0o600

/**
 * Whether a ring is there until its name is removed. On Windows it goes with the last process that
 * has it open, and its name cannot go before.
 */
export const namesOutlive = process.platform !== 'win32'

export interface SessionOptions {
  capacity?: number
  mode?: number
  owner?: UserId | 'any'
  /** Milliseconds to wait for the other side to come, and then for it to do something. */
  timeout?: number
}

export interface Session<End> {
  ring: Ring
  end: End
}

/** Becomes the sender. Waits while the receiver of an earlier transfer has not read its end yet. */
export async function joinAsSender(
  name: string,
  options: SessionOptions,
  signal: AbortSignal,
  note: Note,
): Promise<Session<Producer>> {
  const deadline = deadlineOf(options)
  let told = false
  return poll(
    () =>
      attempt(name, options, (ring) => {
        const { producer } = ring.stats()
        if (producer.state === 'open' && !producer.alive && producer.messages > 0) {
          throw deadSender(ring)
        }
        const end = claim(ring, 'sender', () => ring.producer())
        if (end === undefined) {
          const earlier = `process ${String(ring.stats().consumer.pid)}`
          if (performance.now() > deadline) {
            throw new CommandFailure(
              `${earlier} is still receiving an earlier transfer through ${shown(ring)}`,
            )
          }
          if (!told) note(`waiting for ${earlier} to finish an earlier transfer`)
          told = true
          return undefined
        }
        // Another sender has come, written and died between the look and the claim.
        if (ring.stats().producer.messages !== producer.messages) {
          end.abandon()
          throw deadSender(ring)
        }
        return end
      }),
    pollMs,
    signal,
  )
}

/** Becomes the receiver. */
export async function joinAsReceiver(
  name: string,
  options: SessionOptions,
  signal: AbortSignal,
): Promise<Session<Consumer>> {
  return poll(
    () =>
      attempt(name, options, (ring) => {
        const { consumer } = ring.stats()
        // The messages that receiver has read are gone: a rest must not pass for a whole stream.
        if (consumer.state === 'open' && !consumer.alive && consumer.messages > 0) {
          throw new CommandFailure(
            `${shown(ring)} is left over: its receiver, process ${String(consumer.pid)}, died in the ` +
              `middle of a transfer; "sluice rm ${shown(ring)}" removes it, with what is unread`,
          )
        }
        return claim(ring, 'receiver', () => ring.consumer())
      }),
    pollMs,
    signal,
  )
}

/** Waits until a receiver is there: true; or the name leads elsewhere: false, join again. */
export async function receiverComes(
  ring: Ring,
  options: SessionOptions,
  signal: AbortSignal,
  note: Note,
): Promise<boolean> {
  const deadline = deadlineOf(options)
  let told = false
  return poll(
    () => {
      if (ring.stats().consumer.alive) return true
      if (!ring.isNamed) return false
      if (performance.now() > deadline) {
        throw new CommandFailure(
          `no receiver has come to ${shown(ring)} within ${formatSeconds(options.timeout ?? 0)}`,
        )
      }
      if (!told) note(`waiting for a receiver ("sluice recv ${shown(ring)}")`)
      told = true
      return undefined
    },
    pollMs,
    signal,
  )
}

/** Leaves a session in the middle: to the other side it looks like a death, never like an end. */
export function leave({ ring, end }: Session<Producer | Consumer>): void {
  end.abandon()
  ring.close()
}

/** Removes the ring's name, unless it leads to another ring by now. */
export function removeName(ring: Ring): void {
  if (!ring.isNamed) return
  try {
    ring.unlink()
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
  }
}

/** A ring's name as it is typed. */
export function shown(ring: Ring): string {
  return (ring.name ?? '').replace(/^\//, '')
}

function attempt<End extends Producer | Consumer>(
  name: string,
  { capacity = defaultCapacity, mode = defaultMode, owner }: SessionOptions,
  join: (ring: Ring) => End | undefined,
): Session<End> | undefined {
  const ring = Ring.openOrCreate(name, { capacity, mode, ...(owner !== undefined && { owner }) })
  try {
    const end = join(ring)
    if (end !== undefined) {
      if (ring.isNamed) return { ring, end }
      end.abandon()
    }
  } catch (error) {
    ring.close()
    throw error
  }
  ring.close()
  return undefined
}

/** Undefined while the receiver of an earlier transfer is still at work. */
function claim<End>(ring: Ring, role: 'sender' | 'receiver', take: () => End): End | undefined {
  try {
    return take()
  } catch (error) {
    if (isSluiceError(error, 'ERR_SLUICE_ROLE_TAKEN')) {
      throw new CommandFailure(`${shown(ring)} already has a ${role}, process ${String(error.pid)}`)
    }
    if (isSluiceError(error, 'ERR_SLUICE_STREAM_ENDED')) {
      const { used, consumer } = ring.stats()
      if (consumer.alive) return undefined
      throw new CommandFailure(
        `${shown(ring)} holds a finished transfer that nobody has received to its end ` +
          `(${formatBytes(used)} unread); "sluice recv ${shown(ring)}" receives it, ` +
          `"sluice rm ${shown(ring)}" removes it`,
      )
    }
    throw error
  }
}

function deadSender(ring: Ring): CommandFailure {
  const { used, producer } = ring.stats()
  return new CommandFailure(
    `${shown(ring)} is left over: its sender, process ${String(producer.pid)}, died in the middle of a ` +
      `transfer; "sluice rm ${shown(ring)}" removes it, with ${formatBytes(used)} unread`,
  )
}

export function deadlineOf({ timeout }: Pick<SessionOptions, 'timeout'>): number {
  return performance.now() + (timeout ?? Infinity)
}

/** Signs of life, and the judgement on a peer that gives none. */
import { checkInteger, ownOptions } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { longestDelay } from '../core/wait_options.js'

/** When heartbeats are sent, and how late they may be; see {@link framed}. */
export interface HeartbeatOptions {
  /** Milliseconds between two heartbeats; default 30 s. The peer's must not be longer. */
  interval?: number
  /** Milliseconds that one may be late; default 10 s. */
  timeout?: number
}

const defaultInterval = 30_000
const defaultTimeout = 10_000

export function checkedHeartbeat(given: HeartbeatOptions): Required<HeartbeatOptions> {
  const options = ownOptions(given, ['interval', 'timeout'], 'options.heartbeat')
  const { interval = defaultInterval, timeout = defaultTimeout } = options
  checkInteger('options.heartbeat.interval', interval, 1, longestDelay / 2)
  checkInteger('options.heartbeat.timeout', timeout, 1, longestDelay / 2)
  return { interval, timeout }
}

/** The calls that a heartbeat makes to its connection. */
export interface HeartbeatOwner {
  /** Sends a sign of life. */
  beat(): void
  /** False: nothing is read now, because messages lie here that nobody has asked for. */
  readsAhead(): boolean
  silent(error: SluiceError): void
}

/**
 * Sends a sign of life now and at each interval, and ends the connection when the peer has been silent
 * for an interval and the timeout. Every byte that comes counts.
 *
 * Nobody is judged by bytes that lie unread: before the judgement the loop runs twice. And nobody is
 * judged for this process's own pauses: when the loop was late by much (a blocked loop, a stopped
 * process, a laptop that slept), the peer has as much time again, up to what it had.
 */
export class Heartbeat {
  readonly #owner: HeartbeatOwner
  readonly #patience: number
  readonly #tolerance: number
  readonly #beats: NodeJS.Timeout
  #judging: NodeJS.Timeout | undefined
  /** When something came last. */
  #last = performance.now()
  /** Milliseconds that the peer has more since then, because the loop was late. */
  #late = 0
  #open = true

  constructor({ interval, timeout }: Required<HeartbeatOptions>, owner: HeartbeatOwner) {
    this.#owner = owner
    this.#patience = interval + timeout
    this.#tolerance = timeout / 4
    this.#beats = setInterval(() => {
      owner.beat()
    }, interval).unref()
    this.#wait()
    owner.beat()
  }

  /** Something has come. */
  arrived(): void {
    this.#last = performance.now()
    this.#late = 0
  }

  stop(): void {
    this.#open = false
    clearInterval(this.#beats)
    clearTimeout(this.#judging)
  }

  #wait(): void {
    const now = performance.now()
    const due = Math.max(now + 1, this.#last + this.#patience + this.#late)
    this.#judging = setTimeout(() => {
      const late = performance.now() - due
      if (late > this.#tolerance && this.#late === 0) {
        this.#late = late + Math.min(late, this.#patience) // so much, from now on
      }
      if (performance.now() < this.#last + this.#patience + this.#late) this.#wait()
      else this.#lookOnceMore()
    }, due - now).unref()
  }

  #lookOnceMore(): void {
    const last = this.#last
    // The first is of this turn, which may have looked for what came before the timers ran.
    setImmediate(() => {
      setImmediate(() => {
        if (!this.#open) return
        if (!this.#owner.readsAhead()) this.arrived()
        if (this.#last === last) this.#owner.silent(silence(performance.now() - last))
        else this.#wait()
      })
    })
  }
}

function silence(milliseconds: number): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_HEARTBEAT_TIMEOUT',
    `nothing has come from the peer for ${String(Math.round(milliseconds))} ms ` +
      '(options.heartbeat; the peer must have it, too)',
  )
}

/** Finds connections over which nothing goes. */
import type { Connection } from './connection.js'

/** In how many looks a connection must not have moved a byte. */
const quietLooks = 8

interface Watched {
  readonly connection: WeakRef<Connection>
  bytes: number
  quiet: number
}

/**
 * Looks at all connections several times in the time that they may be silent. That costs nothing for each
 * byte. Looks are counted and not time, so that a loop that was held up closes nobody whose bytes it has
 * not read yet: looks that were missed are not made up for.
 */
export class IdleWatch {
  readonly #watched = new Set<Watched>()
  readonly #period: number
  readonly #found: (connection: Connection) => void
  #timer: NodeJS.Timeout | undefined

  /** `found` is called once for a connection that was silent for `milliseconds`, up to an eighth more. */
  constructor(milliseconds: number, found: (connection: Connection) => void) {
    this.#period = Math.max(1, Math.ceil(milliseconds / quietLooks))
    this.#found = found
  }

  add(connection: Connection): void {
    this.#watched.add({ connection: new WeakRef(connection), bytes: bytesOf(connection), quiet: 0 })
    this.#timer ??= setInterval(() => {
      this.#look()
    }, this.#period).unref()
  }

  #look(): void {
    for (const watched of this.#watched) {
      const connection = watched.connection.deref()
      if (connection?.destroyed !== false) {
        this.#watched.delete(watched)
        continue
      }
      const bytes = bytesOf(connection)
      if (bytes !== watched.bytes) {
        watched.bytes = bytes
        watched.quiet = 0
      } else if (++watched.quiet > quietLooks) {
        this.#watched.delete(watched)
        this.#found(connection)
      }
    }
    if (this.#watched.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

function bytesOf(connection: Connection): number {
  return connection.bytesRead + connection.bytesWritten
}

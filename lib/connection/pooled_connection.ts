/** The members that a pool needs of its connections, and its note of each. */
import type { Shape } from '../core/arguments.js'

/**
 * A connection that can be in a {@link ConnectionPool}: a `Connection`, a `MessageConnection`, or an object
 * of your own. With `whenClosed`, or as an emitter of `'close'`, it tells when it has closed, and is let go
 * of at once; else that is found out before it would be handed out.
 */
export interface Poolable {
  /** Whether it is over. Such a connection is never handed out. */
  readonly closed: boolean
  /** The same of a stream of Node, which is `closed` only later. */
  readonly destroyed?: boolean
  /** Settles when it is over, in whatever way. */
  readonly whenClosed?: Promise<unknown>
  /** Ends it at once. The pool also calls this when the connection has closed by itself. */
  close(): void
  /** Adds a listener. The pool has one for each of these events, unless there is `whenClosed`. */
  on?(event: 'close' | 'error', listener: () => void): unknown
  /** Called when it is handed out: it keeps the process alive. */
  ref?(): unknown
  /** Called when nobody has it: it no longer keeps the process alive. */
  unref?(): unknown
}

export const poolableShape: Shape<Poolable> = { closed: 'boolean', close: 'function' }

export function isBroken({ closed, destroyed = false }: Poolable): boolean {
  return closed || destroyed
}

export class PooledConnection<C extends Poolable> {
  readonly connection: C
  idleSince = performance.now()
  /** It was not handed out yet. */
  isNew = true

  /** `closed` is called when the connection has closed by itself. */
  constructor(connection: C, closed: () => void) {
    this.connection = connection
    if (connection.whenClosed !== undefined) {
      connection.whenClosed.then(closed, closed)
    } else if (connection.on !== undefined) {
      connection.on('close', closed)
      // While it is idle nobody else listens, and the event would end the process.
      connection.on('error', () => undefined)
    }
  }

  get broken(): boolean {
    return isBroken(this.connection)
  }

  /** It is handed out: whoever has it waits for it. */
  handOut(): void {
    this.isNew = false
    this.connection.ref?.()
  }

  /** It is idle from now on. */
  keep(): void {
    this.idleSince = performance.now()
    this.connection.unref?.()
  }

  close(): void {
    this.connection.close()
  }
}

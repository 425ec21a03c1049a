/** Names on disk go with the process, too. */
import { AtExit } from '../core/at_exit.js'
import type { SocketHandle } from './native.js'

const named = new AtExit<SocketHandle>((handle) => {
  handle.close()
})

/** Has the name of this socket removed when the process ends; until `forget`. */
export function removeNameAtExit(handle: SocketHandle): void {
  named.add(handle)
}

export function forgetName(handle: SocketHandle): void {
  named.delete(handle)
}

/** A `release` for a leak guard. */
export function namedCloserOf(handle: SocketHandle): () => void {
  return () => {
    forgetName(handle)
    handle.close()
  }
}

/** Names on disk go with the process, too: `process.exit` runs no finalizers. */
import type { SocketHandle } from './native.js'

const named = new Set<SocketHandle>()

function removeAll(): void {
  for (const handle of named) handle.close()
}

/** Has the name of this socket removed when the process ends; until `forget`. */
export function removeNameAtExit(handle: SocketHandle): void {
  if (named.size === 0) process.on('exit', removeAll)
  named.add(handle)
}

export function forgetName(handle: SocketHandle): void {
  if (named.delete(handle) && named.size === 0) process.off('exit', removeAll)
}

/** A `release` for a leak guard. */
export function namedCloserOf(handle: SocketHandle): () => void {
  return () => {
    forgetName(handle)
    handle.close()
  }
}

/** Corked messages are published when the process exits: `process.exit` runs no finalizers. */

interface Corked {
  uncorkAll(): void
}

const all = new Set<WeakRef<Corked>>()

function publishAll(): void {
  for (const reference of all) reference.deref()?.uncorkAll()
}

/** Returns a function that takes it back. The producer may be garbage-collected meanwhile. */
export function publishAtExit(producer: Corked): () => void {
  const reference = new WeakRef(producer)
  if (all.size === 0) process.on('exit', publishAll)
  all.add(reference)
  return () => {
    if (all.delete(reference) && all.size === 0) process.off('exit', publishAll)
  }
}

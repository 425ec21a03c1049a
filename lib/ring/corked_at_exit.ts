/** Corked messages are published when the process exits. */
import { AtExit } from '../core/at_exit.js'

interface Corked {
  uncorkAll(): void
}

const all = new AtExit<WeakRef<Corked>>((reference) => reference.deref()?.uncorkAll())

/** Returns a function that takes it back. The producer may be garbage-collected meanwhile. */
export function publishAtExit(producer: Corked): () => void {
  const reference = new WeakRef(producer)
  all.add(reference)
  return () => {
    all.delete(reference)
  }
}

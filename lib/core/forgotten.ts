/** Releases what was dropped without `close()`, and says so. */

interface Forgotten {
  what: string
  release: () => void
}

const registry = new FinalizationRegistry<Forgotten>(({ what, release }) => {
  release()
  process.emitWarning(`${what} was garbage-collected without close()`, {
    type: 'SluiceWarning',
    code: 'SLUICE_FORGOTTEN',
  })
})

/** `release` must not refer to `object`. */
export function releaseWhenForgotten(object: object, what: string, release: () => void): void {
  registry.register(object, { what, release }, object)
}

export function closed(object: object): void {
  registry.unregister(object)
}

/** A `release`. In a constructor a closure would hold on to `this` if any other closure there does. */
export function closerOf(handle: { close(): void }): () => void {
  return () => {
    handle.close()
  }
}

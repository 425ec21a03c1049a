/** Releases what was dropped without `close()`, and says so. */

interface Forgotten {
  what: string
  release: () => void
}

const registry = new FinalizationRegistry<Forgotten>(({ what, release }) => {
  release()
  warn(what)
})

/** `release` must not refer to `object`. */
export function releaseWhenForgotten(object: object, what: string, release: () => void): void {
  registry.register(object, { what, release }, object)
}

export function closed(object: object): void {
  registry.unregister(object)
}

/**
 * The same for objects of which there are many, and which own something that knows by itself whether
 * it is open: less memory and time for each, and nothing to undo when one is closed.
 */
export class LeftOpen<Possession> {
  readonly #registry: FinalizationRegistry<Possession>

  /** `describe`: undefined when it was closed in time. */
  constructor(
    describe: (possession: Possession) => string | undefined,
    close: (possession: Possession) => void,
  ) {
    this.#registry = new FinalizationRegistry((possession) => {
      const what = describe(possession)
      if (what === undefined) return
      close(possession)
      warn(what)
    })
  }

  /** `possession` must not refer to `object`. */
  register(object: object, possession: Possession): void {
    this.#registry.register(object, possession)
  }
}

function warn(what: string): void {
  process.emitWarning(`${what} was garbage-collected without close()`, {
    type: 'SluiceWarning',
    code: 'SLUICE_FORGOTTEN',
  })
}

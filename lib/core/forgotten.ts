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
 * it is open. It takes less memory and time for each, and next to none for those that are closed in
 * the turn of the event loop in which they were made.
 */
export class LeftOpen<Possession> {
  readonly #registry: FinalizationRegistry<Possession>
  readonly #describe: (possession: Possession) => string | undefined
  /** Of this turn. */
  #young: { object: object; possession: Possession }[] = []

  /** `describe`: undefined when it was closed in time. */
  constructor(
    describe: (possession: Possession) => string | undefined,
    close: (possession: Possession) => void,
  ) {
    this.#describe = describe
    this.#registry = new FinalizationRegistry((possession) => {
      const what = describe(possession)
      if (what === undefined) return
      close(possession)
      warn(what)
    })
  }

  /** `possession` must not refer to `object`. */
  register(object: object, possession: Possession): void {
    if (this.#young.push({ object, possession }) > 1) return
    setImmediate(() => {
      for (const one of this.#young.splice(0)) {
        if (this.#describe(one.possession) === undefined) continue
        this.#registry.register(one.object, one.possession)
      }
    })
  }
}

function warn(what: string): void {
  process.emitWarning(`${what} was garbage-collected without close()`, {
    type: 'SluiceWarning',
    code: 'SLUICE_FORGOTTEN',
  })
}

/**
 * Releases the resources of objects that were dropped without `close()`, and warns of it.
 *
 * The resource that an object owns is registered beside it, and must not refer to it. Objects that
 * are closed in the turn of the event loop in which they were made cost next to nothing.
 */
export class LeakGuard<Owned> {
  readonly #registry: FinalizationRegistry<Owned>
  readonly #describe: (owned: Owned) => string | undefined
  /** Objects that were made in this turn. */
  #young: { object: object; owned: Owned; token: object | undefined }[] = []

  /** `describe` names what was left open; undefined when it was closed in time. */
  constructor(describe: (owned: Owned) => string | undefined, release: (owned: Owned) => void) {
    this.#describe = describe
    this.#registry = new FinalizationRegistry((owned) => {
      const what = describe(owned)
      if (what === undefined) return
      release(owned)
      process.emitWarning(`${what} was garbage-collected without close()`, {
        type: 'SluiceWarning',
        code: 'SLUICE_FORGOTTEN',
      })
    })
  }

  /** `token`: for `unregister`, where `describe` cannot tell by itself; it takes memory. */
  register(object: object, owned: Owned, token?: object): void {
    if (this.#young.push({ object, owned, token }) > 1) return
    setImmediate(() => {
      for (const one of this.#young.splice(0)) {
        if (this.#describe(one.owned) === undefined) continue
        this.#registry.register(one.object, one.owned, one.token)
      }
    })
  }

  /** To be called when the object that was registered with this token has closed. */
  unregister(token: object): void {
    this.#registry.unregister(token)
    const index = this.#young.findLastIndex((one) => one.token === token)
    if (index >= 0) this.#young.splice(index, 1)
  }
}

/** For objects of which there are few: what it is, and how it is released. */
export const leaks = new LeakGuard<{ what: string; release: () => void }>(
  ({ what }) => what,
  ({ release }) => {
    release()
  },
)

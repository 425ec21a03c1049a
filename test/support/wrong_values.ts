/** Values that fail in odd ways when code looks at them without care. */

export function revoked<T extends object>(target: T): T {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

/** Its `byteLength` is whatever it was told to say. */
export class LyingArray extends Uint8Array {
  readonly #claimed: unknown

  constructor(length: number, claimed: unknown) {
    super(length)
    this.#claimed = claimed
  }

  override get byteLength(): number {
    return this.#claimed as number
  }
}

class ThrowingArray extends Uint8Array {
  override get byteLength(): number {
    throw new Error('mine')
  }
}

function detached(): Uint8Array {
  const array = new Uint8Array(4)
  structuredClone(array.buffer, { transfer: [array.buffer] })
  return array
}

/** Values that are no bytes, most of which look like a Uint8Array. */
export const wrongBytes: [string, unknown][] = [
  ['a string', 'text'],
  ['null', null],
  ['a symbol', Symbol('bytes')],
  ['an array of another type', new Uint16Array(3)],
  ['a proxy of an array', new Proxy(new Uint8Array(3), {})],
  ['a revoked proxy of an array', revoked(new Uint8Array(3))],
  ['an object with the prototype of arrays', Object.create(Uint8Array.prototype)],
  [
    'an array of another type with that prototype',
    Object.setPrototypeOf(new Float64Array(3), Uint8Array.prototype),
  ],
  ['an array whose buffer is detached', detached()],
  ['an array that says a longer byteLength', new LyingArray(1000, 100_000)],
  ['an array that says a shorter byteLength', new LyingArray(1000, 10)],
  ['an array whose byteLength throws', new ThrowingArray(3)],
]

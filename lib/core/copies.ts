/**
 * Jest loads a package anew for each test file, and so does everybody who empties `require.cache`;
 * a native addon is loaded once. Then there are several copies of each class, and one addon.
 */
const ordinary = Function.prototype[Symbol.hasInstance]

/** Makes `instanceof` true for the objects of all copies of this class, of which `name` is the name. */
export function makeOneOfAllCopies(
  type: { readonly prototype: object; [Symbol.hasInstance](value: unknown): boolean },
  name: string,
): void {
  const mark = Symbol.for(`sluice.${name}`)
  Object.defineProperty(type.prototype, mark, { value: true })
  Object.defineProperty(type, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      // A user's subclass inherits this, and is a class of its own.
      if (this !== type) return ordinary.call(this, value)
      return typeof value === 'object' && value !== null && mark in value
    },
  })
}

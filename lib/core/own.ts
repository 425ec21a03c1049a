/** A copy that has the object's own properties, and inherits nothing. */
export function own<T extends object>(object: T): T {
  return Object.assign(Object.create(null) as T, object)
}

/** A copy of some of an object's own members, without those that are undefined; it inherits nothing. */
export function ownSome<T extends object, Name extends keyof T>(
  object: T,
  names: readonly Name[],
): Pick<T, Name> {
  const copy = Object.create(null) as Pick<T, Name>
  for (const name of names) {
    if (Object.hasOwn(object, name) && object[name] !== undefined) copy[name] = object[name]
  }
  return copy
}

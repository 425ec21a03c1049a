/** A copy that has the object's own properties, and inherits nothing. */
export function own<T extends object>(object: T): T {
  return Object.assign(Object.create(null) as T, object)
}

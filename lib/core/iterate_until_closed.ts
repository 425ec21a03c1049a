/** The values of `next`, one after the other, until it fails because its source is closed. */
export async function* iterateUntilClosed<T>(
  isClosed: () => boolean,
  next: () => Promise<T>,
): AsyncGenerator<T, void, void> {
  while (!isClosed()) {
    let value: T
    try {
      value = await next()
    } catch (error) {
      if (isClosed()) return
      throw error
    }
    yield value
  }
}

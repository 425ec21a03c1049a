/**
 * The names that the command line gives, or all that are known where it gives none.
 *
 * @param {string[]} known
 */
export function chosenNames(known) {
  const chosen = process.argv.slice(2)
  const unknown = chosen.filter((name) => !known.includes(name))
  if (unknown.length > 0) {
    throw new Error(`unknown: ${unknown.join(', ')}; known are ${known.join(', ')}`)
  }
  return chosen.length === 0 ? known : chosen
}

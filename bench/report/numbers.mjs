/** A measured value in its unit, for people. */
export function formatValue(value, unit) {
  if (unit === 'messages/s') return `${short(value / 1e6)} M/s`
  return `${short(value)} ${unit}`
}

/** Three digits that say something. */
export function short(value) {
  if (value >= 100) return value.toFixed(0)
  if (value >= 10) return value.toFixed(1)
  if (value >= 0.1) return value.toFixed(2)
  return value.toPrecision(2)
}

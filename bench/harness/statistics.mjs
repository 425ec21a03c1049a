/** The middle and both ends of what was measured. */
export function summary(values) {
  const sorted = [...values].sort((a, b) => a - b)
  return { median: quantile(sorted, 0.5), low: sorted[0], high: sorted[sorted.length - 1] }
}

/** Of values in ascending order, between the neighbours where it falls between two. */
export function quantile(sorted, part) {
  const place = (sorted.length - 1) * part
  const below = Math.floor(place)
  const above = Math.ceil(place)
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below)
}

/** The ratios of what was measured in the same round. */
export function ratio(ours, theirs) {
  const rounds = new Map(theirs.map((sample) => [sample.round, sample.value]))
  const ratios = ours
    .filter((sample) => rounds.has(sample.round))
    .map((sample) => sample.value / rounds.get(sample.round))
  return ratios.length === 0 ? undefined : summary(ratios)
}

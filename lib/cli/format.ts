/** Numbers for people. */

const steps = ['B', 'kB', 'MB', 'GB', 'TB']

/** Decimal units: `118.2 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let step = 0
  while (value >= 999.95 && step < steps.length - 1) {
    value /= 1000
    step++
  }
  return `${step === 0 ? String(value) : value.toFixed(1)} ${steps[step] ?? ''}`
}

/** Binary units, without a fraction when there is none: a ring's capacity as it was asked for. */
export function formatCapacity(bytes: number): string {
  for (const [unit, size] of [
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ] as const) {
    if (bytes >= size) return `${String(Number((bytes / size).toFixed(1)))} ${unit}`
  }
  return `${String(bytes)} B`
}

export function formatRate(bytes: number, seconds: number): string {
  return seconds > 0 ? `${formatBytes(Math.round(bytes / seconds))}/s` : '-'
}

export function formatSeconds(milliseconds: number): string {
  const seconds = milliseconds / 1000
  return seconds === 1 ? '1 second' : `${String(seconds)} seconds`
}

/** Order statistics of a series, ms (or whatever the series is in). */
export type Spread = { p50: number; p99: number; max: number }

/** Percentiles by the nearest rank; zeros for an empty series. */
export const spreadOf = (series: readonly number[]): Spread => {
  const sorted = series.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}

/** The median; of an even number of values, the mean of the middle two. */
export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return 0
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** How long calls took, as counts in steps that grow by a fifth: four a doubling, from 1 ms to about half an hour. */

/** Counts by step; a step that is not there counts nothing. */
export type Histogram = Readonly<Record<string, number>>

const STEPS = 4
const LAST = 84

/** The histogram of one time in ms. */
export const timed = (ms: number): Histogram => ({ [stepOf(ms)]: 1 })

export const joined = (one: Histogram, other: Histogram): Histogram => {
  const sum: Record<string, number> = { ...one }
  for (const step in other) sum[step] = (sum[step] ?? 0) + other[step]!
  return sum
}

/** The time in ms that a share of all took at most, within a tenth; undefined when nothing was counted. */
export const percentile = (of: Histogram, share: number): number | undefined => {
  const steps = Object.entries(of)
    .map(([step, count]) => [Number(step), count] as const)
    .toSorted(([a], [b]) => a - b)
  let left = steps.reduce((sum, [, count]) => sum + count, 0) * share
  for (const [step, count] of steps) {
    left -= count
    if (left <= 0) return middleOf(step)
  }
  return undefined
}

const stepOf = (ms: number): number =>
  ms < 1 ? 0 : Math.min(LAST, 1 + Math.floor(Math.log2(ms) * STEPS + 1e-9))

const middleOf = (step: number): number => (step === 0 ? 0 : Math.round(2 ** ((step - 0.5) / STEPS)))

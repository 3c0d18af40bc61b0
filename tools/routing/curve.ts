/** Cost against quality: what a router saves at a share of the flagship's quality, beside its baselines. */

/** The choices of one data set: per prompt and model of the pool (flagship first) what it is worth, costs and promises. */
export type Pool = {
  rows: number
  models: number
  /** Row-major: real quality, real cost, predicted quality, expected cost. */
  quality: Float64Array
  cost: Float64Array
  predicted: Float64Array
  expected: Float64Array
}

/** Mean quality and cost as shares of the flagship's. */
export type Point = { ratio: number; saving: number }

export const LAMBDAS: readonly number[] = [
  0,
  ...Array.from({ length: 140 }, (_, i) => 0.002 * Math.exp((i * Math.log(2500)) / 139)),
]
const BONUS = 0.02

/** Index of the chosen model for a row at a price of cost. */
export const choose = (pool: Pool, row: number, lambda: number): number => {
  const at = row * pool.models
  const unit = pool.expected[at]! || 1e-12
  let best = 0
  let top = Number.NEGATIVE_INFINITY
  for (let m = 0; m < pool.models; m++) {
    const score = pool.predicted[at + m]! - (lambda * pool.expected[at + m]!) / unit + (m === 0 ? BONUS : 0)
    if (score > top) {
      top = score
      best = m
    }
  }
  return best
}

/** `weights`: how often each row counts (bootstrap); all once if absent. */
export const pointAt = (pool: Pool, pick: (row: number) => number, weights?: Uint16Array): Point => {
  let quality = 0
  let cost = 0
  let flagQuality = 0
  let flagCost = 0
  for (let r = 0; r < pool.rows; r++) {
    const w = weights ? weights[r]! : 1
    if (w === 0) continue
    const at = r * pool.models
    const m = pick(r)
    quality += w * pool.quality[at + m]!
    cost += w * pool.cost[at + m]!
    flagQuality += w * pool.quality[at]!
    flagCost += w * pool.cost[at]!
  }
  return { ratio: quality / flagQuality, saving: 1 - cost / flagCost }
}

export const curveOf = (pool: Pool, weights?: Uint16Array): Point[] =>
  LAMBDAS.map((lambda) => pointAt(pool, (row) => choose(pool, row, lambda), weights))

/** The models alone: random mixes lie on the lines between them. */
export const staticPoints = (pool: Pool, weights?: Uint16Array): Point[] =>
  Array.from({ length: pool.models }, (_, m) => pointAt(pool, () => m, weights))

/** The most that is saved at a share of the flagship's quality; between two points of a curve one may mix. */
export const savingAt = (points: readonly Point[], share: number, everyPair = false): number => {
  let best = 0
  const all = [{ ratio: 1, saving: 0 }, ...points]
  for (const point of all) if (point.ratio >= share) best = Math.max(best, point.saving)
  for (let i = 0; i < all.length; i++) {
    const others = everyPair ? all : all.slice(i + 1, i + 2)
    for (const other of others) {
      const [hi, lo] = all[i]!.ratio >= other.ratio ? [all[i]!, other] : [other, all[i]!]
      if (hi.ratio < share || lo.ratio >= share) continue
      const part = (hi.ratio - share) / (hi.ratio - lo.ratio)
      best = Math.max(best, hi.saving + part * (lo.saving - hi.saving))
    }
  }
  return best
}

const SHARES = [0.95, 0.96, 0.97, 0.98, 0.99]

export const meanSaving = (points: readonly Point[], everyPair = false): number =>
  SHARES.reduce((sum, share) => sum + savingAt(points, share, everyPair), 0) / SHARES.length

/** Area between the weak and the strong model's quality under the curve of calls given to the strong one; 0.5 is chance. */
export const apgr = (gain: ArrayLike<number>, weak: ArrayLike<number>, strong: ArrayLike<number>): number => {
  const n = gain.length
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => gain[b]! - gain[a]! || a - b)
  let total = 0
  for (let i = 0; i < n; i++) total += strong[i]! - weak[i]!
  let run = 0
  let area = 0
  for (const i of order) {
    const step = strong[i]! - weak[i]!
    area += run + step / 2
    run += step
  }
  return area / n / total
}

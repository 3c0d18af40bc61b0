/** Abilities of models that nobody labelled: from benchmark scores, else from the price. Pure. */
import type { Head } from './weights.ts'

/** `b` and `u`: the logit of a good answer is b + u·z. `sure`: 0..1, how well that is known. `wordy`: length of its answers, 1 is usual. */
export type Ability = { b: number; u: ArrayLike<number>; sure: number; wordy?: number }

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
const logit = (p: number): number => Math.log(p / (1 - p))

/** Scores are weighed as so many answered questions: a benchmark is never quite the task at hand. */
const WEIGHT = 60

type Evidence = { z: number[][]; score: number; weight: number }

/** The most likely ability under the prior of labelled models and the scores seen; undefined when no score is of use. */
export const abilityFromScores = (
  head: Head,
  scores: Readonly<Record<string, number>>,
): Ability | undefined => {
  const evidence: Evidence[] = []
  let level = 0
  let precision = 0
  for (const [name, raw] of Object.entries(scores)) {
    const score = shareOf(raw)
    if (score === undefined) continue
    const key = keyOf(name)
    const place = head.places[PLACES[key] ?? name]
    const bench = head.benchmarks[key]
    if (place) evidence.push({ z: place.z, score, weight: WEIGHT })
    else if (bench) {
      const trust = (bench.slope / bench.spread) ** 2
      level += (trust * (logit(score) - bench.at)) / bench.slope
      precision += trust
    }
  }
  if (evidence.length === 0 && precision === 0) return undefined
  const weight = Math.min(precision, MOST)
  const sure = 1 - 1 / (1 + 0.7 * evidence.length + 0.5 * weight)
  return { ...at(head, evidence, precision > 0 ? level / precision : 0, weight), sure: Math.min(0.9, sure) }
}

/** Labelled models end somewhere: what a better one adds beyond them is added to all prompts alike. */
const at = (head: Head, evidence: readonly Evidence[], level: number, weight: number) => {
  const middle = head.prior.mean[0]!
  const spread = Math.sqrt(head.prior.covariance[0]![0]!)
  const within = Math.min(Math.max(level, middle - 2 * spread), middle + 1.5 * spread)
  const v = solve(head, evidence, within, weight)
  const beyond = ((level - within) * weight) / (weight + 1)
  return { b: v[0]! + (weight > 0 ? beyond : 0), u: Float32Array.from(v.slice(1)) }
}

/** Coding benchmarks of one kind agree more than they know. */
const MOST = 6

/** What a price says of an ability, in USD per million output tokens; free and unknown prices say the least. */
export const abilityFromPrice = (head: Head, dollars: number): Ability => {
  const known = Number.isFinite(dollars) && dollars > 0
  const price = Math.min(Math.max(known ? dollars : 0.1, 0.02), 60)
  const level = head.price.at + head.price.slope * Math.log(price)
  return { ...at(head, [], level, 4), sure: known ? 0.25 : 0.1 }
}

/** 0..1 and 0..100 are shares; beyond that it is a rating such as Elo, of which nothing is made. */
const shareOf = (raw: number): number | undefined => {
  if (!Number.isFinite(raw) || raw < 0 || raw > 100) return undefined
  const share = raw > 1 ? raw / 100 : raw
  return Math.min(0.99, Math.max(0.01, share))
}

const keyOf = (name: string): string => name.toLowerCase().replaceAll('_', '-')

/** Other names of benchmarks whose prompts are known. */
const PLACES: Record<string, string> = {
  'gsm8k': 'gsm8k',
  'mmlu': 'rl_mmlu',
  'rl-mmlu': 'rl_mmlu',
  'mmlu-pro': 'mmlu_pro',
  'math-l5': 'math_l5',
  'math-lvl-5': 'math_l5',
  'bfcl': 'bfcl_v2',
  'bfcl-v2': 'bfcl_v2',
  'numersense2': 'numersense2',
  'llmrouter': 'llmrouter',
}

/** Newton's method on the posterior of (b, u): Gaussian prior, shares of right answers, and one level for b. */
const solve = (head: Head, evidence: readonly Evidence[], level: number, precision: number): number[] => {
  const { mean, covariance } = head.prior
  const n = mean.length
  // In v = mean + C·a with C the covariance the prior needs no inverse: a minimises ½aᵀCa + loss.
  let v = [...mean]
  for (let round = 0; round < 30; round++) {
    const gradient = new Array<number>(n).fill(0)
    const hessian = Array.from({ length: n }, () => new Array<number>(n).fill(0))
    const pull = (x: readonly number[], slope: number, bend: number): void => {
      for (let i = 0; i < n; i++) {
        gradient[i]! += slope * x[i]!
        for (let j = 0; j < n; j++) hessian[i]![j]! += bend * x[i]! * x[j]!
      }
    }
    for (const { z, score, weight } of evidence) pullTo(v, z, score, weight, pull)
    if (precision > 0) {
      const unit = mean.map((_, i) => (i === 0 ? 1 : 0))
      pull(unit, precision * (v[0]! - level), precision)
    }
    const next = newton(v, mean, covariance, gradient, hessian)
    const moved = Math.max(...next.map((x, i) => Math.abs(x - v[i]!)))
    v = next
    if (moved < 1e-6) break
  }
  return v
}

/** The mean over a benchmark's typical prompts is pulled to the score. */
const pullTo = (
  v: readonly number[],
  z: readonly number[][],
  score: number,
  weight: number,
  pull: (x: readonly number[], slope: number, bend: number) => void,
): void => {
  let share = 0
  const x = new Array<number>(v.length).fill(0)
  for (const point of z) {
    let sum = v[0]!
    for (let d = 0; d < point.length; d++) sum += v[d + 1]! * point[d]!
    const p = sigmoid(sum)
    share += p / z.length
    x[0]! += (p * (1 - p)) / z.length
    for (let d = 0; d < point.length; d++) x[d + 1]! += (p * (1 - p) * point[d]!) / z.length
  }
  const spread = Math.max(share * (1 - share), 0.01)
  pull(x, (weight * (share - score)) / spread, weight / spread)
}

/** v' = mean + C (I + H C)⁻¹ (H (v − mean) − g), the Newton step of prior and evidence together. */
const newton = (
  v: readonly number[],
  mean: readonly number[],
  covariance: readonly number[][],
  gradient: readonly number[],
  hessian: readonly number[][],
): number[] => {
  const n = v.length
  const right = gradient.map((g, i) => hessian[i]!.reduce((sum, h, j) => sum + h * (v[j]! - mean[j]!), -g))
  const matrix = hessian.map((row, i) =>
    Array.from({ length: n }, (_, j) =>
      row.reduce((sum, h, k) => sum + h * covariance[k]![j]!, i === j ? 1 : 0),
    ),
  )
  const a = eliminate(matrix, right)
  return mean.map((m, i) => m + covariance[i]!.reduce((sum, c, j) => sum + c * a[j]!, 0))
}

/** Solves a small linear system by elimination with pivots. */
export const eliminate = (matrix: number[][], right: number[]): number[] => {
  const n = right.length
  const rows = matrix.map((row, i) => [...row, right[i]!])
  for (let i = 0; i < n; i++) {
    let pivot = i
    for (let k = i + 1; k < n; k++) if (Math.abs(rows[k]![i]!) > Math.abs(rows[pivot]![i]!)) pivot = k
    const top = rows[pivot]!
    rows[pivot] = rows[i]!
    rows[i] = top
    for (let k = i + 1; k < n; k++) {
      const row = rows[k]!
      const factor = row[i]! / top[i]!
      if (factor !== 0) for (let j = i; j <= n; j++) row[j]! -= factor * top[j]!
    }
  }
  const x = new Array<number>(n).fill(0)
  for (let i = n - 1; i >= 0; i--) {
    let sum = rows[i]![n]!
    for (let j = i + 1; j < n; j++) sum -= rows[i]![j]! * x[j]!
    x[i] = sum / rows[i]![i]!
  }
  return x
}

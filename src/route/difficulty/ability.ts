/** Abilities of models that nobody labelled: from benchmark scores, else from the price. Pure. */
import type { Head } from './weights.ts'

/** `b` and `u`: the logit of a good answer is b + u·z. `sure`: 0..1, how well that is known. `wordy`: length of its answers, 1 is usual. */
export type Ability = { b: number; u: ArrayLike<number>; sure: number; wordy?: number }

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
const logit = (p: number): number => Math.log(p / (1 - p))

/** A score says so much: logits of it scatter by this much about what the model does on other prompts of that kind. */
const SCATTER = 0.3
/** Benchmarks of one kind agree more than they know. */
const MOST = 6

/** The logit of a score is expected at `x · (1, b, u…)` of a model, and is that much higher (`more`) than of an average one. */
type Evidence = { x: number[]; more: number; scatter: number }

/** The expected ability under the prior of labelled models and the scores seen; undefined when no score is of use. */
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
    if (place) evidence.push(evidenceOf(head, place.z, score))
    else if (bench) {
      const trust = (bench.slope / bench.spread) ** 2
      level += (trust * (logit(score) - bench.at)) / bench.slope
      precision += trust
    }
  }
  if (evidence.length === 0 && precision === 0) return undefined
  const weight = Math.min(precision, MOST)
  const sure = 1 - 1 / (1 + 0.7 * evidence.length + 0.5 * weight)
  return {
    ...expected(head, evidence, precision > 0 ? level / precision : 0, weight),
    sure: Math.min(0.9, sure),
  }
}

/** What a benchmark's typical prompts make of an average model, and how that moves with b and u. */
const evidenceOf = ({ prior: { mean } }: Head, places: readonly number[][], score: number): Evidence => {
  let share = 0
  const x = new Array<number>(mean.length).fill(0)
  for (const z of places) {
    const p = sigmoid(z.reduce((sum, one, d) => sum + mean[d + 1]! * one, mean[0]!))
    share += p / places.length
    const bend = (p * (1 - p)) / places.length
    x[0]! += bend
    for (const [d, one] of z.entries()) x[d + 1]! += bend * one
  }
  const unit = share * (1 - share)
  return { x: x.map((one) => one / unit), more: logit(score) - logit(share), scatter: SCATTER ** 2 }
}

/** What a price says of an ability, in USD per million output tokens; free and unknown prices say the least. */
export const abilityFromPrice = (head: Head, dollars: number): Ability => {
  const known = Number.isFinite(dollars) && dollars > 0
  const price = Math.min(Math.max(known ? dollars : 0.1, 0.02), 60)
  const level = head.price.at + head.price.slope * Math.log(price)
  return { ...expected(head, [], level, 4), sure: known ? 0.25 : 0.1 }
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
  gsm8k: 'gsm8k',
  mmlu: 'rl_mmlu',
  'rl-mmlu': 'rl_mmlu',
  'mmlu-pro': 'mmlu_pro',
  'math-l5': 'math_l5',
  'math-lvl-5': 'math_l5',
  bfcl: 'bfcl_v2',
  'bfcl-v2': 'bfcl_v2',
  numersense2: 'numersense2',
  llmrouter: 'llmrouter',
}

/**
 * The posterior mean of (b, u) when prior and evidence are Gaussian. What would make b fall with a better score is left out.
 * Labelled models end somewhere: what a better one adds beyond them is added to all prompts alike.
 */
const expected = ({ prior }: Head, scores: readonly Evidence[], level: number, weight: number) => {
  const { mean, covariance } = prior
  const spread = Math.sqrt(covariance[0]![0]!)
  const within = Math.min(Math.max(level, mean[0]! - 2 * spread), mean[0]! + 1.5 * spread)
  const general = { x: mean.map((_, i) => (i === 0 ? 1 : 0)), more: within - mean[0]!, scatter: 1 / weight }
  const evidence = weight > 0 ? [...scores, general] : scores
  const along = evidence.map(({ x }) => covariance.map((row) => dot(row, x)))
  const gram = evidence.map(({ x, scatter }, i) =>
    along.map((one, j) => dot(one, x) + (i === j ? scatter : 0)),
  )
  const v = mean.map((middle, d) => {
    const gains = eliminate(
      gram,
      along.map((one) => one[d]!),
    )
    return gains.reduce(
      (sum, gain, i) => sum + (d === 0 ? Math.max(0, gain) : gain) * evidence[i]!.more,
      middle,
    )
  })
  const beyond = weight > 0 ? ((level - within) * weight) / (weight + 1) : 0
  return { b: v[0]! + beyond, u: Float32Array.from(v.slice(1)) }
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, x, i) => sum + x * b[i]!, 0)

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

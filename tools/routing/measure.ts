/** All figures of one data set on one split, with bootstrap intervals. */
import { apgr, meanSaving, type Point, pointAt, savingAt, staticPoints } from './curve.ts'
import type { DataSet, Row } from './data.ts'
import { random } from './fit.ts'
import { keywordVerdict } from './keywords.ts'
import { choicesOf, curveFrom, type Judge, poolOf, type Seen, settingAt } from './pools.ts'

/** A figure and the middle 95 % of its bootstrap. */
export type Figure = { value: number; low: number; high: number }

export type Result = {
  set: string
  rows: number
  mean: Figure
  at95: Figure
  at98: Figure
  random: { mean: number; at95: number; at98: number }
  keywords: { mean: number; at95: number; at98: number }
  oracle: Point
  cheapest: Point
  balanced: Point
  cost: Point
  /** Area under the curve between the strong and the weak model of the data set, where it has such a pair. */
  apgr?: { router: number; keywords: number }
  logLoss: number
  ece: number
  curve: Point[]
}

const PAIRS: Record<string, readonly [string, string]> = {
  rl_mmlu: ['gpt-4-1106-preview', 'mixtral-8x7b'],
  gsm8k: ['gpt-4-1106-preview', 'mixtral-8x7b'],
}
const RESAMPLES = 100

/** What several trained routers saw of one data set, put together: each its own fold. */
export type Parts = { set: string; data: DataSet; parts: { rows: readonly Row[]; judge: Judge }[] }

export const measure = ({ set, data, parts }: Parts): Result => {
  const pool = join(parts.map(({ rows, judge }) => poolOf(rows, data, judge)))
  const choices = choicesOf(pool)
  const curve = curveFrom(pool, choices)
  const fixed = staticPoints(pool)
  const samples = resamples(pool.rows).map((weights) => curveFrom(pool, choices, weights))
  const figure = (of: (points: readonly Point[]) => number): Figure => {
    const all = samples.map(of).sort((a, b) => a - b)
    return {
      value: of(curve),
      low: all[Math.floor(all.length * 0.025)]!,
      high: all[Math.ceil(all.length * 0.975) - 1]!,
    }
  }
  const words = keywordPoints(pool)
  return {
    set,
    rows: pool.rows,
    mean: figure((points) => meanSaving(points)),
    at95: figure((points) => savingAt(points, 0.95)),
    at98: figure((points) => savingAt(points, 0.98)),
    random: {
      mean: meanSaving(fixed, true),
      at95: savingAt(fixed, 0.95, true),
      at98: savingAt(fixed, 0.98, true),
    },
    keywords: { mean: meanSaving(words), at95: savingAt(words, 0.95), at98: savingAt(words, 0.98) },
    oracle: oraclePoint(pool),
    cheapest: fixed.reduce((best, point) => (point.saving > best.saving ? point : best)),
    balanced: settingAt(pool, 'balanced'),
    cost: settingAt(pool, 'cost'),
    ...pairOf(set, parts),
    ...calibration(parts),
    curve,
  }
}

const join = (pools: readonly Seen[]): Seen => {
  const cat = (key: 'quality' | 'cost' | 'predicted' | 'expected') =>
    Float64Array.from(pools.flatMap((pool) => [...pool[key]]))
  return {
    rows: pools.reduce((sum, pool) => sum + pool.rows, 0),
    models: pools[0]!.models,
    quality: cat('quality'),
    cost: cat('cost'),
    predicted: cat('predicted'),
    expected: cat('expected'),
    ids: pools.flatMap(({ ids }) => ids),
    prompts: pools.flatMap(({ prompts }) => prompts),
  }
}

const resamples = (rows: number): Uint16Array[] => {
  const next = random(11)
  return Array.from({ length: RESAMPLES }, () => {
    const weights = new Uint16Array(rows)
    for (let i = 0; i < rows; i++) weights[Math.floor(next() * rows)]!++
    return weights
  })
}

/** Keyword rules as a curve: from a score on the flagship is asked, below it one other model; the best other model counts. */
const keywordPoints = (pool: Seen): Point[] => {
  const scores = pool.prompts.map((prompt) => keywordVerdict(prompt).score)
  const bounds = [...new Set(scores)].sort((a, b) => a - b)
  const thin = bounds.filter((_, i) => i % Math.max(1, Math.floor(bounds.length / 60)) === 0)
  let best: Point[] = []
  for (let other = 1; other < pool.models; other++) {
    const points = [...thin, Infinity].map((bound) =>
      pointAt(pool, (row) => (scores[row]! >= bound ? 0 : other)),
    )
    if (best.length === 0 || meanSaving(points) > meanSaving(best)) best = points
  }
  return best
}

/** Who knows every answer before: the cheapest of the best. */
const oraclePoint = (pool: Seen): Point =>
  pointAt(pool, (row) => {
    const at = row * pool.models
    let best = 0
    for (let m = 1; m < pool.models; m++) {
      const gain = pool.quality[at + m]! - pool.quality[at + best]!
      if (gain > 0 || (gain === 0 && pool.cost[at + m]! < pool.cost[at + best]!)) best = m
    }
    return best
  })

const pairOf = (set: string, parts: Parts['parts']): Pick<Result, 'apgr'> => {
  const pair = PAIRS[set]
  if (!pair) return {}
  const gain: number[] = []
  const hardness: number[] = []
  const strong: number[] = []
  const weak: number[] = []
  for (const { rows, judge } of parts) {
    const [first, second] = pair.map(judge.abilityOf)
    for (const { p, q } of rows) {
      const reading = judge.difficulty.read(p)
      gain.push(judge.difficulty.chance(first!, reading) - judge.difficulty.chance(second!, reading))
      hardness.push(keywordVerdict(p).score)
      strong.push(q.get(pair[0])!)
      weak.push(q.get(pair[1])!)
    }
  }
  return { apgr: { router: apgr(gain, weak, strong), keywords: apgr(hardness, weak, strong) } }
}

const BINS = 15

/** Log-loss and expected calibration error over all models that have labels. */
const calibration = (parts: Parts['parts']): Pick<Result, 'logLoss' | 'ece'> => {
  const said = new Float64Array(BINS)
  const real = new Float64Array(BINS)
  let loss = 0
  let n = 0
  for (const { rows, judge } of parts)
    for (const { p, q } of rows) {
      const reading = judge.difficulty.read(p)
      for (const [model, value] of q) {
        const ability = judge.difficulty.known(model)
        if (!ability) continue
        const chance = Math.min(1 - 1e-6, Math.max(1e-6, judge.difficulty.chance(ability, reading)))
        loss -= value * Math.log(chance) + (1 - value) * Math.log(1 - chance)
        const bin = Math.min(BINS - 1, Math.floor(chance * BINS))
        said[bin]! += chance
        real[bin]! += value
        n++
      }
    }
  return { logLoss: loss / n, ece: said.reduce((sum, x, i) => sum + Math.abs(x - real[i]!), 0) / n }
}

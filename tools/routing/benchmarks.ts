/** Benchmarks of today on the scale of the labelled models: logit(score) ≈ at + slope · b, through models that have both. */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { Head } from '../../src/route/difficulty/weights.ts'

type Score = { model: string; key: string; score: number }

/** Labelled models by the names that the lists of scores have for them. */
const SAME: Record<string, string> = {
  'openai/gpt-4o': 'gpt-4o-2024-08-06',
  'openai/gpt-4o-2024-05-13': 'gpt-4o-2024-05-13',
  'openai/gpt-4o-2024-11-20': 'gpt-4o-2024-08-06',
  'openai/gpt-4o-mini': 'gpt-4o-mini-2024-07-18',
  'openai/gpt-3.5-turbo': 'gpt-3.5-turbo-0125',
  'openai/gpt-4-turbo': 'gpt-4-1106-preview',
  'anthropic/claude-3-5-sonnet-20241022': 'claude-3-5-sonnet-20241022',
  'anthropic/claude-3-5-haiku': 'claude-3-5-haiku-20241022',
  'mistral/mistral-large-2411': 'mistral-large-2407',
  'meta/llama-3.3-70b-instruct': 'llama-3.1-70b',
}

const CATALOG = new URL('../../data/catalog/sources/', import.meta.url)
const USUAL_SPREAD = 0.7
const USUAL_SLOPE = 1

/** Fits abilities of the models of the lists and one line a benchmark in turns; labelled models stay where they are. */
export const latentOfBenchmarks = (known: ReadonlyMap<string, number>): Latent => {
  const scores = readScores()
  const theta = new Map<string, number>()
  const anchored = (model: string): number | undefined => known.get(SAME[model] ?? model)
  for (const { model } of scores) theta.set(model, anchored(model) ?? 2.5)
  const byKey = Map.groupBy(scores, ({ key }) => key)
  const byModel = Map.groupBy(scores, ({ model }) => model)
  let lines: Head['benchmarks'] = {}
  for (let round = 0; round < 200; round++) {
    lines = Object.fromEntries([...byKey].map(([key, own]) => [key, lineOf(own, theta)]))
    for (const [model, own] of byModel) {
      const anchor = anchored(model)
      if (anchor !== undefined) continue
      // Without any link the models of today are taken to be well above those that were labelled.
      let sum = 2.5 / 1.5 ** 2
      let weight = 1 / 1.5 ** 2
      for (const { key, score } of own) {
        const { at, slope, spread } = lines[key]!
        sum += (slope * (logit(score) - at)) / spread ** 2
        weight += slope ** 2 / spread ** 2
      }
      theta.set(model, sum / weight)
    }
  }
  return { benchmarks: lines, price: priceOf(theta) }
}

export type Latent = Pick<Head, 'benchmarks' | 'price'>

/** Ability against the logarithm of the output price: the models that have scores, at their cheapest price in the catalogue. */
const priceOf = (theta: ReadonlyMap<string, number>): Head['price'] => {
  const prices = new Map<string, number>()
  const file = gunzipSync(readFileSync(new URL('models-dev.jsonl.gz', CATALOG))).toString('utf8')
  for (const line of file.trimEnd().split('\n')) {
    const { canonical, price } = JSON.parse(line) as { canonical: string; price?: { output?: string } }
    const output = Number(price?.output)
    if (output > 0) prices.set(canonical, Math.min(output, prices.get(canonical) ?? Infinity))
  }
  const points = [...theta].flatMap(([model, b]) =>
    prices.has(model) ? [[Math.log(prices.get(model)!), b] as const] : [],
  )
  const n = points.length
  const mx = points.reduce((sum, [x]) => sum + x, 0) / n
  const my = points.reduce((sum, [, y]) => sum + y, 0) / n
  const xy = points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0)
  const xx = points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0)
  const slope = Math.max(0.1, xy / xx)
  // Models that nobody measures are rather weaker than those that somebody does.
  return { at: my - slope * mx - MODESTY, slope }
}

const MODESTY = 0.3

/** A line with a slope near the usual one; benchmarks with few scores say little more than where they lie. */
const lineOf = (own: readonly Score[], theta: ReadonlyMap<string, number>) => {
  const n = own.length
  const mx = own.reduce((sum, one) => sum + theta.get(one.model)!, 0) / n
  const my = own.reduce((sum, one) => sum + logit(one.score), 0) / n
  let xy = USUAL_SLOPE * 8
  let xx = 8
  for (const { model, score } of own) {
    const x = theta.get(model)! - mx
    xy += x * (logit(score) - my)
    xx += x * x
  }
  const slope = Math.min(1.6, Math.max(0.5, xy / xx))
  const at = my - slope * mx
  let rest = 4 * USUAL_SPREAD ** 2
  for (const { model, score } of own) rest += (logit(score) - at - slope * theta.get(model)!) ** 2
  return { at, slope, spread: Math.sqrt(rest / (n + 4)) }
}

const logit = (share: number): number => {
  const p = Math.min(0.99, Math.max(0.01, share))
  return Math.log(p / (1 - p))
}

/** The catalogue's scores and our own list of older ones; of several settings of a benchmark the best. */
const readScores = (): Score[] => {
  const best = new Map<string, Score>()
  const add = (model: string, key: string, value: number): void => {
    if (!(value >= 0 && value <= 100)) return
    const id = `${model} ${key}`
    if (value / 100 > (best.get(id)?.score ?? -1)) best.set(id, { model, key, score: value / 100 })
  }
  const lines = readFileSync(new URL('benchmarks.jsonl', CATALOG), 'utf8')
  for (const line of lines.trimEnd().split('\n')) {
    const { canonical, key, score } = JSON.parse(line) as Record<string, string>
    add(canonical!, key!, Number(score))
  }
  const older = JSON.parse(
    readFileSync(new URL('../../data/routing/reference.json', import.meta.url), 'utf8'),
  ) as { benchmarks: Record<string, Record<string, number>> }
  for (const [key, own] of Object.entries(older.benchmarks))
    for (const [model, score] of Object.entries(own)) add(model, key, score)
  return [...best.values()]
}

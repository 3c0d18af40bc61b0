/** `npm run eval -- --predict FILE.jsonl --models a,b,c`: what the router thinks of each prompt, one JSON line each. */
import { createReadStream, createWriteStream, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Writable } from 'node:stream'
import { readWeights, type Weights } from '../../src/route/difficulty/weights.ts'
import { type Ability, createDifficulty, type Tools } from '../../src/route/difficulty.ts'
import { type Candidate, isStrategy, scoresOf } from '../../src/route/strategies.ts'
import type { Priors } from './data.ts'

export type Asked = {
  predict: string
  models: string
  priors?: string | undefined
  'priors-only'?: boolean | undefined
  setting?: string | undefined
  prices?: string | undefined
  out?: string | undefined
}

type Question = { id: unknown; p: string; t?: unknown }
type Price = { input: number; output: number }

/** Milliseconds to a first token and per output token that are supposed of a model without measurements, by its output price. */
const latencyOf = (price: Price, tokens: number): number => 400 + tokens * (6 + 4 * Math.log1p(price.output))

export const predict = async (asked: Asked): Promise<void> => {
  const models = asked.models
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  if (models.length === 0) throw new Error('--models names no model: give --models a,b,c')
  const scores = asked.priors === undefined ? {} : scoresIn(readJson(asked.priors))
  const weights = withBenchmarks(readWeights(), scores)
  const difficulty = createDifficulty(weights)
  const labelled = (name: string) =>
    asked['priors-only'] && scores[name] ? undefined : difficulty.known(name)
  const abilities = models.map((name): Ability => {
    const ability = labelled(name) ?? (scores[name] && difficulty.fromScores(sharesOf(scores[name])))
    if (ability) return { wordy: wordyOf(weights, scores[name]), ...ability }
    const what = scores[name] ? 'its priors hold no score between 0 and 100' : 'it was never labelled'
    throw new Error(
      `Nothing is known of the model "${name}": ${what}. Give --priors FILE with {"${name}": {"mmlu_pro": {"acc": 0.61}}} or {"${name}": {"gpqa": 61}}.`,
    )
  })
  const prices = asked.prices === undefined ? undefined : pricesIn(readJson(asked.prices))
  const { setting } = asked
  if (setting !== undefined && !isStrategy(setting))
    throw new Error(`--setting is balanced, cost, latency or availability, not "${setting}"`)
  if (setting !== undefined && !prices)
    throw new Error('--setting needs --prices FILE, USD per million tokens')
  const rates = prices && models.map((name) => priceOf(prices, name))
  const flagship = flagshipOf(abilities, rates)

  const out = asked.out === undefined ? process.stdout : createWriteStream(asked.out)
  let done = 0
  for await (const line of createInterface({ input: createReadStream(asked.predict), crlfDelay: Infinity })) {
    if (line.trim() === '') continue
    const { id, p, t } = JSON.parse(line) as Question
    const reading = difficulty.read(p, toolsIn(t))
    const chances = abilities.map((ability) => difficulty.chance(ability, reading))
    const candidates = rates?.map((price, m): Candidate => {
      const tokens = difficulty.expectedOutput(reading, abilities[m]!.wordy)
      return {
        quality: chances[m]!,
        cost: ((p.length / 4) * price.input + tokens * price.output) / 1e6,
        latencyMs: latencyOf(price, tokens),
        failing: 0,
        flagship: m === flagship,
      }
    })
    const choice =
      setting !== undefined && candidates ? models[best(scoresOf(candidates, setting))] : undefined
    const q = Object.fromEntries(models.map((name, m) => [name, Number(chances[m]!.toFixed(6))]))
    await write(out, `${JSON.stringify({ id, q, ...(choice !== undefined && { choice }) })}\n`)
    if (++done % 5_000 === 0) console.error(`${done} prompts`)
  }
  console.error(`${done} prompts`)
  if (out !== process.stdout) await new Promise<void>((resolve) => out.end(() => resolve()))
}

const write = async (out: Writable, text: string): Promise<void> => {
  if (!out.write(text)) await new Promise((resolve) => out.once('drain', resolve))
}

const best = (scores: readonly number[]): number =>
  scores.reduce((top, score, i) => (score > scores[top]! ? i : top), 0)

/** The best in general; of those that are nearly as good the dearest, for it is the one to save on. */
const flagshipOf = (abilities: readonly Ability[], rates: readonly Price[] | undefined): number => {
  const top = Math.max(...abilities.map(({ b }) => b))
  let flagship = abilities.findIndex(({ b }) => b === top)
  for (const [m, { b }] of abilities.entries())
    if (rates && top - b < NEARLY && rates[m]!.output > rates[flagship]!.output) flagship = m
  return flagship
}
const NEARLY = 0.3

const readJson = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'))

export type Score = { score: number; out?: number | undefined }
export type Scores = Record<string, Record<string, Score>>

/** Priors as {model: {benchmark: {acc, out_tokens}}} or {model: {benchmark: number}}. */
const scoresIn = (file: unknown): Scores => {
  const scores: Scores = {}
  for (const [model, own] of Object.entries(file as Record<string, Record<string, unknown>>)) {
    if (typeof own !== 'object' || own === null) continue
    scores[model] = {}
    for (const [benchmark, value] of Object.entries(own)) {
      if (typeof value === 'number') scores[model][benchmark] = { score: value }
      else if (typeof value === 'object' && value !== null) {
        const { acc, out_tokens } = value as Partial<Priors[string][string]>
        if (acc !== undefined) scores[model][benchmark] = { score: acc, out: out_tokens }
      }
    }
  }
  return scores
}

const sharesOf = (own: Record<string, Score>): Record<string, number> =>
  Object.fromEntries(Object.entries(own).map(([name, { score }]) => [name, score]))

const wordyOf = ({ head }: Weights, own: Record<string, Score> = {}): number => {
  const ratios = Object.entries(own).flatMap(([name, { out }]) => {
    const usual = head.places[name]?.out
    return out !== undefined && out > 0 && usual !== undefined ? [Math.log(out / usual)] : []
  })
  return ratios.length === 0 ? 1 : Math.exp(ratios.reduce((sum, x) => sum + x, 0) / ratios.length)
}

/** Benchmarks that the weights do not know are put on their scale by the labelled models among the priors. */
export const withBenchmarks = (weights: Weights, scores: Scores): Weights => {
  const known = createDifficulty(weights)
  const benchmarks = { ...weights.head.benchmarks }
  const names = new Set(Object.values(scores).flatMap((own) => Object.keys(own)))
  for (const name of names) {
    const key = name.toLowerCase().replaceAll('_', '-')
    if (benchmarks[key] || weights.head.places[name]) continue
    const gaps = Object.entries(scores).flatMap(([model, own]) => {
      const ability = known.known(model)
      return ability && own[name] ? [logit(own[name].score) - ability.b] : []
    })
    const at = gaps.length === 0 ? 0 : gaps.reduce((sum, x) => sum + x, 0) / gaps.length
    benchmarks[key] = { at, slope: 1, spread: gaps.length > 2 ? 0.5 : 1 }
  }
  return { ...weights, head: { ...weights.head, benchmarks } }
}

const logit = (score: number): number => {
  const share = Math.min(0.99, Math.max(0.01, score > 1 ? score / 100 : score))
  return Math.log(share / (1 - share))
}

/** Prices as {model: [in, out]}, {model: {in, out}} or {input, output}, alone or inside a manifest of data sets. */
const pricesIn = (file: unknown): Map<string, Price> => {
  const prices = new Map<string, Price>()
  const visit = (node: unknown, name: string): void => {
    if (typeof node !== 'object' || node === null) return
    if (Array.isArray(node)) {
      const [input, output] = node as unknown[]
      if (typeof input === 'number' && typeof output === 'number') prices.set(name, { input, output })
      return
    }
    const { in: short, input = short, out, output = out } = node as Record<string, unknown>
    if (typeof input === 'number' && typeof output === 'number') prices.set(name, { input, output })
    else for (const [key, child] of Object.entries(node)) visit(child, key)
  }
  visit(file, '')
  return prices
}

const priceOf = (prices: ReadonlyMap<string, Price>, model: string): Price => {
  const price = prices.get(model)
  if (!price) throw new Error(`--prices has no price of "${model}": add {"${model}": [in, out]}`)
  return price
}

/** Tools as they come: a list, its JSON text, or a count. */
const toolsIn = (t: unknown): Tools | undefined => {
  if (typeof t === 'number') return t > 0 ? { count: t, depth: 3 } : undefined
  if (typeof t === 'string') {
    try {
      return toolsIn(JSON.parse(t))
    } catch {
      return t === '' ? undefined : { count: 1, depth: 3 }
    }
  }
  if (typeof t !== 'object' || t === null) return undefined
  const count = Array.isArray(t) ? t.length : 1
  return count === 0 ? undefined : { count, depth: depthOf(t, 0) }
}

const depthOf = (node: unknown, depth: number): number =>
  typeof node !== 'object' || node === null || depth > 12
    ? depth
    : Object.values(node).reduce((most: number, child) => Math.max(most, depthOf(child, depth + 1)), depth)

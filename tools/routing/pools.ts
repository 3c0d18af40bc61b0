/** What a router sees of one data set: its pool of models (flagship first), through the product's own difficulty and strategies. */
import type { Ability, Difficulty } from '../../src/route/difficulty.ts'
import { type Candidate, type Strategy, scoresOf, weigh } from '../../src/route/strategies.ts'
import { LAMBDAS, type Point, type Pool, pointAt } from './curve.ts'
import type { DataSet, Row } from './data.ts'

export type Seen = Pool & { ids: string[]; prompts: string[] }

export type Judge = { difficulty: Difficulty; abilityOf: (model: string) => Ability }

/** The rows of a data set whose whole pool has answered. */
export const poolOf = (rows: readonly Row[], set: DataSet, { difficulty, abilityOf }: Judge): Seen => {
  const full = rows.filter(({ q }) => set.tiers.every((model) => q.has(model)))
  const n = full.length
  const models = set.tiers.length
  const [quality, cost, predicted, expected] = Array.from(
    { length: 4 },
    () => new Float64Array(n * models),
  ) as [Float64Array, Float64Array, Float64Array, Float64Array]
  const abilities = set.tiers.map(abilityOf)
  for (const [i, row] of full.entries()) {
    const reading = difficulty.read(row.p)
    for (const [m, model] of set.tiers.entries()) {
      const at = i * models + m
      const [input, output] = set.price_in_out_per_Mtok[model]!
      const long = row.o?.get(model) ?? set.default_out_tokens
      quality[at] = row.q.get(model)!
      cost[at] = (row.p.length / 4) * input + long * output
      predicted[at] = difficulty.chance(abilities[m]!, reading)
      expected[at] =
        (row.p.length / 4) * input + difficulty.expectedOutput(reading, abilities[m]!.wordy ?? 1) * output
    }
  }
  return {
    rows: n,
    models,
    quality,
    cost,
    predicted,
    expected,
    ids: full.map(({ id }) => id),
    prompts: full.map(({ p }) => p),
  }
}

const candidatesOf = (pool: Pool, row: number): Candidate[] =>
  Array.from({ length: pool.models }, (_, m) => ({
    quality: pool.predicted[row * pool.models + m]!,
    cost: pool.expected[row * pool.models + m]!,
    latencyMs: 0,
    failing: 0,
    flagship: m === 0,
  }))

const best = (scores: readonly number[]): number =>
  scores.reduce((top, score, i) => (score > scores[top]! ? i : top), 0)

/** Choices of every row at every price of quality: made once, then weighed as often as the bootstrap asks. */
export const choicesOf = (pool: Pool): Uint8Array[] => {
  const all = LAMBDAS.map(() => new Uint8Array(pool.rows))
  for (let r = 0; r < pool.rows; r++) {
    const candidates = candidatesOf(pool, r)
    for (const [i, lambda] of LAMBDAS.entries())
      all[i]![r] = best(weigh(candidates, { cost: lambda, latency: 0, failing: 0 }))
  }
  return all
}

export const curveFrom = (pool: Pool, choices: readonly Uint8Array[], weights?: Uint16Array): Point[] =>
  choices.map((own) => pointAt(pool, (row) => own[row]!, weights))

/** Where a shipped setting lands. */
export const settingAt = (pool: Pool, strategy: Strategy): Point =>
  pointAt(pool, (row) => best(scoresOf(candidatesOf(pool, row), strategy)))

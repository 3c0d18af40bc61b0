import { BANDS, type Band, type Mix } from './month-tasks.ts'

/** What one policy makes of one prompt: dollars, and the chance of a good answer or whether it was one. */
export type Outcome = { dollars: number; quality: number; picked: string }
export type Case = { band: Band; outcomes: readonly Outcome[]; input: number; output: number }

/** Means of a policy over a mix; the intervals hold 95 % of the bootstraps. */
export type Line = {
  policy: string
  dollars: number
  dollarsWithin: [number, number]
  saving: number
  savingWithin: [number, number]
  quality: number
  qualityWithin: [number, number]
  dollarsPerGood: number
  picks: { model: string; share: number }[]
}

const TIMES = 1_000

/** A month of `tokens` for every policy; `policies[0]` is what the others are compared with. */
export const monthOf = (
  cases: readonly Case[],
  policies: readonly string[],
  mix: Mix,
  tokens: number,
  random: () => number,
): Line[] => {
  const byBand = BANDS.map((band) => cases.filter((one) => one.band === band))
  const once = totals(
    byBand,
    byBand.map((own) => own.map((_, i) => i)),
    policies,
    mix,
    tokens,
  )
  const many = Array.from({ length: TIMES }, () =>
    totals(
      byBand,
      byBand.map((own) => own.map(() => Math.floor(random() * own.length))),
      policies,
      mix,
      tokens,
    ),
  )
  return policies.map((policy, p) => ({
    policy,
    dollars: once[p]!.dollars,
    dollarsWithin: within(many.map((all) => all[p]!.dollars)),
    saving: 1 - once[p]!.dollars / once[0]!.dollars,
    savingWithin: within(many.map((all) => 1 - all[p]!.dollars / all[0]!.dollars)),
    quality: once[p]!.quality,
    qualityWithin: within(many.map((all) => all[p]!.quality)),
    dollarsPerGood: once[p]!.dollars / (once[p]!.quality * once[p]!.calls),
    picks: picksOf(cases, p, mix),
  }))
}

type Total = { dollars: number; quality: number; calls: number }

const totals = (
  byBand: readonly (readonly Case[])[],
  chosen: readonly (readonly number[])[],
  policies: readonly string[],
  mix: Mix,
  tokens: number,
): Total[] => {
  let perCall = 0
  const sums = policies.map(() => ({ dollars: 0, quality: 0 }))
  for (const [b, own] of byBand.entries()) {
    const weight = mix.shares[BANDS[b]!] / own.length
    for (const i of chosen[b]!) {
      const one = own[i]!
      perCall += weight * (one.input + one.output)
      for (const [p, sum] of sums.entries()) {
        sum.dollars += weight * one.outcomes[p]!.dollars
        sum.quality += weight * one.outcomes[p]!.quality
      }
    }
  }
  const calls = tokens / perCall
  return sums.map(({ dollars, quality }) => ({ dollars: dollars * calls, quality, calls }))
}

const within = (values: readonly number[]): [number, number] => {
  const sorted = values.toSorted((a, b) => a - b)
  return [sorted[Math.floor(0.025 * TIMES)]!, sorted[Math.ceil(0.975 * TIMES) - 1]!]
}

const picksOf = (cases: readonly Case[], p: number, mix: Mix): Line['picks'] => {
  const shares = new Map<string, number>()
  for (const { band, outcomes } of cases) {
    const { picked } = outcomes[p]!
    const of = cases.filter((one) => one.band === band).length
    shares.set(picked, (shares.get(picked) ?? 0) + mix.shares[band] / of)
  }
  return [...shares].map(([model, share]) => ({ model, share })).sort((a, b) => b.share - a.share)
}

/** Input tokens are multiplied by this, so that a quarter of all tokens at the first policy are input. */
export const inputFactor = (
  cases: readonly { band: Band; input: number; output: number }[],
  mix: Mix,
): number => {
  let input = 0
  let output = 0
  for (const one of cases) {
    const weight = mix.shares[one.band] / cases.filter(({ band }) => band === one.band).length
    input += weight * one.input
    output += weight * one.output
  }
  return output / 3 / input
}

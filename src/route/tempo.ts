import type { Clock } from '../clock.ts'

/** How fast hosts were lately, learned from their answers; kept in memory. All times in ms, undefined while too little is known. */
export type Tempo = {
  /** A stream took so long to begin; or, where it was given up, at least so long. */
  began: (provider: string, hostModel: string, ttftMs: number) => void
  /** An answer of `tokens` was written in `ms` since its first content, or as a `whole` since it was asked for. */
  ended: (provider: string, hostModel: string, pace: Pace) => void
  /** How long an answer of so many tokens is likely to take, its wait included. */
  expectMs: (provider: string, hostModel: string, outputTokens: number) => number | undefined
  /** Nineteen of twenty streams begin sooner. */
  slowFirstMs: (provider: string, hostModel: string) => number | undefined
  /** Nearly every answer of so many tokens ends sooner. */
  slowMs: (provider: string, hostModel: string, outputTokens: number) => number | undefined
}

export type Pace = { ms: number; tokens: number; whole?: boolean }

/** Observations before their percentiles are believed. */
const ENOUGH = 8
/** Fewer tokens say nothing of the pace. */
const FEWEST_TOKENS = 8
/** What was learned so long ago is forgotten, ms. */
const FORGOTTEN_MS = 3_600_000

type Learned = { first: Histogram; perToken: Histogram; at: number }

export const createTempo = ({ clock }: { clock: Clock }): Tempo => {
  const hosts = new Map<string, Learned>()
  const key = (provider: string, hostModel: string) => `${provider} ${hostModel}`
  const known = (provider: string, hostModel: string): Learned | undefined => {
    const found = hosts.get(key(provider, hostModel))
    return found && clock.now() - found.at < FORGOTTEN_MS ? found : undefined
  }
  const learning = (provider: string, hostModel: string): Learned => {
    const found = known(provider, hostModel) ?? { first: histogram(), perToken: histogram(), at: 0 }
    found.at = clock.now()
    hosts.set(key(provider, hostModel), found)
    return found
  }
  /** The wait and the writing, each at its percentile; a wait that nobody saw is part of the writing. */
  const at = (share: number, provider: string, hostModel: string, outputTokens: number) => {
    const learned = known(provider, hostModel)
    const perToken = learned?.perToken.quantile(share)
    return perToken === undefined
      ? undefined
      : (learned?.first.quantile(share) ?? 0) + perToken * outputTokens
  }
  return {
    began: (provider, hostModel, ttftMs) => learning(provider, hostModel).first.add(ttftMs),
    ended: (provider, hostModel, { ms, tokens, whole = false }) => {
      if (tokens < FEWEST_TOKENS) return
      const { first, perToken } = learning(provider, hostModel)
      const wait = whole ? (first.quantile(0.5) ?? 0) : 0
      perToken.add(Math.max(0, ms - wait) / tokens)
    },
    expectMs: (provider, hostModel, outputTokens) => at(0.5, provider, hostModel, outputTokens),
    slowFirstMs: (provider, hostModel) => known(provider, hostModel)?.first.quantile(0.95),
    slowMs: (provider, hostModel, outputTokens) => at(0.95, provider, hostModel, outputTokens),
  }
}

type Histogram = { add: (ms: number) => void; quantile: (share: number) => number | undefined }

/** From 0.01 ms to 20 minutes in steps of a fifth. */
const LEAST_MS = 0.01
const STEP = 1.2
const BINS = 103
/** What each observation weighs against the one after it: about the last hundred count. */
const FADE = 0.99

/** Counts on a scale of steps, older ones fading: as exact as a step and as small as its bins. */
const histogram = (): Histogram => {
  const bins = new Float64Array(BINS)
  let seen = 0
  let weight = 1
  const shrink = () => {
    for (let i = 0; i < BINS; i++) bins[i] = bins[i]! / weight
    weight = 1
  }
  return {
    add: (ms) => {
      const bin = Math.ceil(Math.log(Math.max(ms, LEAST_MS) / LEAST_MS) / Math.log(STEP))
      // Newer ones weigh more, instead of all the others less.
      weight /= FADE
      const at = Math.min(BINS - 1, bin)
      bins[at] = bins[at]! + weight
      seen++
      if (weight > 1e9) shrink()
    },
    quantile: (share) => {
      if (seen < ENOUGH) return undefined
      const all = bins.reduce((sum, one) => sum + one, 0)
      let below = 0
      for (let i = 0; i < BINS; i++) {
        below += bins[i]!
        if (below >= all * share) return LEAST_MS * STEP ** i
      }
      return LEAST_MS * STEP ** (BINS - 1)
    },
  }
}

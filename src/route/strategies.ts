/** How to choose among those that can answer: small pure scores over one table. */

export type Strategy = 'balanced' | 'cost' | 'latency' | 'availability'

export type Candidate = {
  /** Chance of a good answer, 0 to 1. */
  quality: number
  /** Expected dollars of this request there; only ranks, never bills. */
  cost: number
  /** Expected time to the whole answer. */
  latencyMs: number
  /** Chance that it fails, 0 to 1. */
  failing: number
  /** The best of all in general, which others are measured against. */
  flagship?: boolean
}

const STRATEGIES = ['balanced', 'cost', 'latency', 'availability'] as const satisfies readonly Strategy[]

export const isStrategy = (text: string): text is Strategy => (STRATEGIES as readonly string[]).includes(text)

const WEIGHTS: Record<Strategy, { cost: number; latency: number; failing: number }> = {
  balanced: { cost: 0.092, latency: 0.002, failing: 0.5 },
  cost: { cost: 0.146, latency: 0, failing: 0.1 },
  latency: { cost: 0.01, latency: 0.05, failing: 0.5 },
  availability: { cost: 0.01, latency: 0.001, failing: 5 },
}

/** Scores, higher is better; `knob` from -1 (cheaper) to 1 (better). */
export const scoresOf = (candidates: readonly Candidate[], strategy: Strategy, knob = 0): number[] => {
  const weights = WEIGHTS[strategy]
  const dearest = Math.max(...candidates.map(({ cost }) => cost), Number.MIN_VALUE)
  return candidates.map(
    ({ quality, cost, latencyMs, failing }) =>
      quality -
      (weights.cost * 2 ** -knob * cost) / dearest -
      (weights.latency * latencyMs) / 1_000 -
      weights.failing * failing,
  )
}

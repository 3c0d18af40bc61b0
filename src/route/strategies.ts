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
  /** The best in general, not for this prompt: costs are measured against it. Without a mark it is who promises most here. */
  flagship?: boolean
}

const STRATEGIES = ['balanced', 'cost', 'latency', 'availability'] as const satisfies readonly Strategy[]

export const isStrategy = (text: string): text is Strategy => (STRATEGIES as readonly string[]).includes(text)

const WEIGHTS: Record<Strategy, Weighing> = {
  balanced: { cost: 0.1, latency: 0.01, failing: 0.3 },
  cost: { cost: 0.2, latency: 0.0001, failing: 0.05 },
  latency: { cost: 0.02, latency: 0.12, failing: 0.1, bonus: 0 },
  availability: { cost: 0.07, latency: 0.001, failing: 3, bonus: 0 },
}

/** Who is best in general is right more often than one prompt shows; where price is little weighed that would settle it. */
const BONUS = 0.02
/** Prices beyond this many times the flagship's are equally out of the question. */
const FAR = 50

/** Scores, higher is better; `knob` from -1 (cheaper) to 1 (better) moves the price of quality fourfold each way. */
export const scoresOf = (candidates: readonly Candidate[], strategy: Strategy, knob = 0): number[] => {
  const { cost, ...others } = WEIGHTS[strategy]
  return weigh(candidates, { cost: cost * 4 ** -Math.min(1, Math.max(-1, knob)), ...others })
}

/** What the flagship's whole price, its whole time and a certain failure are worth, in chances of a good answer. */
export type Weighing = { cost: number; latency: number; failing: number; bonus?: number }

/** The scores behind all strategies. Zero prices and unknown times are no reason for or against a candidate. */
export const weigh = (
  candidates: readonly Candidate[],
  { cost, latency, failing, bonus = BONUS }: Weighing,
): number[] => {
  const marked = candidates.some((one) => one.flagship)
  const flagship = flagshipOf(candidates, marked)
  const dollar = unit(flagship?.cost)
  const moment = unit(flagship?.latencyMs)
  return candidates.map(
    (one) =>
      one.quality +
      (marked && one.flagship ? bonus : 0) -
      cost * Math.min(FAR, sound(one.cost) * dollar) -
      latency * Math.min(FAR, sound(one.latencyMs) * moment) -
      failing * one.failing,
  )
}

/** The dearest host of the flagship, so that its own hosts are told apart. */
const flagshipOf = (candidates: readonly Candidate[], marked: boolean): Candidate | undefined => {
  let best: Candidate | undefined
  for (const one of candidates) {
    if (marked && !one.flagship) continue
    if (best === undefined || (!marked && one.quality > best.quality)) best = one
    else if ((marked || one.quality === best.quality) && sound(one.cost) > sound(best.cost)) best = one
  }
  return best
}

/** One over a measure; 0 where the flagship is free, for then nothing can be saved. */
const unit = (measure = 0): number => (measure > 0 && Number.isFinite(measure) ? 1 / measure : 0)

const sound = (measure: number): number => (Number.isFinite(measure) && measure > 0 ? measure : 0)

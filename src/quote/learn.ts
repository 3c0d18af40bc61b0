/** What providers report, remembered per model, so that the next quote is closer. Kept in memory: it only moves estimates, never a bill. */
export type Learner = {
  /** Real tokens per estimated token of this model's input, between 0.6 and 1.7, in steps of 1/16 so that quotes stay still. */
  factor: (model: string) => number
  /** Output tokens that an answer of this model has lately had. */
  output: (model: string) => number
  /** Learns from one finished call whose provider reported its usage. */
  observe: (
    model: string,
    seen: { estimated: number; input: number; output: number; textOnly: boolean },
  ) => void
}

const WEIGHT = 0.05
const FIRST_OUTPUT = 300
const SMALLEST_SAMPLE = 32

export const createLearner = (): Learner => {
  const models = new Map<string, { factor: number; output: number }>()
  const of = (model: string) => models.get(model) ?? { factor: 1, output: FIRST_OUTPUT }
  return {
    factor: (model) => Math.round(of(model).factor * 16) / 16,
    output: (model) => Math.ceil(of(model).output),
    observe: (model, { estimated, input, output, textOnly }) => {
      const before = of(model)
      const usable = textOnly && estimated >= SMALLEST_SAMPLE
      const ratio = clamp(usable ? input / estimated : before.factor, 0.6, 1.7)
      models.set(model, {
        factor: before.factor + WEIGHT * (ratio - before.factor),
        output: before.output + WEIGHT * (output - before.output),
      })
    },
  }
}

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value))

/** How likely each model is to answer a request well. Only `auto` asks, so nothing is read before. */
import type { Model } from '../catalog/catalog.ts'
import type { Rate } from '../money.ts'
import type { ChatRequest } from '../wire/openai.ts'
import type { Order } from '../wire/order.ts'
import type { Ability, Difficulty, Tools } from './difficulty.ts'
import type { Needs } from './needs.ts'
import { promptOf } from './prompt.ts'

export type Judged = {
  /** The chance, 0 to 1, that a model answers this request well. */
  chance: (model: Model) => number
  /** How able a model is in general; the flagship is who has most of it. */
  general: (model: Model) => number
  /** Output tokens that its answer to this request is expected to have. */
  output: (model: Model) => number
}

export type Judge = (order: Order, needs: Pick<Needs, 'features' | 'input'>) => Judged

/** Beyond so many tokens the text that is read says little of the task. */
const LONG_INPUT = 30_000
/** A prompt of a kind that nobody can judge counts as hard: chances are raised to this power, which keeps their order. */
const WARY = 2

/** Judges by the learned model; abilities come from labels, else benchmark scores, else the price. */
export const createJudge = (difficulty: Difficulty): Judge => {
  const abilities = new WeakMap<Model, Ability>()
  const abilityOf = (model: Model): Ability => {
    let ability = abilities.get(model)
    if (!ability) {
      ability = abilityFor(difficulty, model)
      abilities.set(model, ability)
    }
    return ability
  }

  return (order, { features, input }) => {
    const reading = difficulty.read(
      promptOf(order),
      order.kind === 'chat' ? toolsOf(order.request) : undefined,
    )
    const wary = input > LONG_INPUT || features.includes('tools') || features.includes('vision')
    return {
      chance: (model) => {
        const chance = difficulty.chance(abilityOf(model), reading)
        return wary ? chance ** WARY : chance
      },
      general: (model) => abilityOf(model).b,
      output: (model) => difficulty.expectedOutput(reading, abilityOf(model).wordy),
    }
  }
}

const abilityFor = (difficulty: Difficulty, model: Model): Ability =>
  difficulty.known(model.id) ??
  (model.facts && difficulty.fromScores(comparable(model.facts.scores))) ??
  difficulty.fromPrice(Math.max(...model.hosts.map(({ prices }) => dollars(prices.output))))

/** Scores by the plain name of their benchmark: one that was measured another way (`name#how`) is better than none. */
const comparable = (scores: Readonly<Record<string, number>>): Record<string, number> => {
  const plain: Record<string, number> = {}
  for (const [name, score] of Object.entries(scores)) {
    const cut = name.indexOf('#')
    if (cut === -1) plain[name] = score
    else plain[name.slice(0, cut)] ??= score
  }
  return plain
}

/** Dollars per million tokens, to judge by and never to bill. */
const dollars = (rate: Rate): number => Number(rate) / 1e12

/** How deep a tool's parameters nest is not worth a walk; three is usual. */
const USUAL_DEPTH = 3

const toolsOf = ({ tools }: ChatRequest): Tools | undefined =>
  tools?.length ? { count: tools.length, depth: USUAL_DEPTH } : undefined

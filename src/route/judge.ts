/** How likely each model is to answer a request well. Only `auto` asks, so nothing is read before. */
import type { Model } from '../catalog/catalog.ts'
import { printRate } from '../money.ts'
import type { Order } from '../wire/order.ts'
import type { Ability, Difficulty } from './difficulty.ts'
import type { Needs } from './needs.ts'
import { promptOf } from './prompt.ts'

export type Judged = {
  chance: (model: Model) => number
  /** Output tokens that an answer to this prompt is expected to have. */
  output: number
}

export type Judge = (order: Order, needs: Pick<Needs, 'features' | 'input'>) => Judged

/** A model whose tools, images or long input are the task itself must be good in general: this much of the best one's ability. */
const FLOOR = 0.9
const LONG_INPUT = 30_000

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
  const ordinary = difficulty.read('')

  return (order, { features, input }) => {
    const reading = difficulty.read(promptOf(order))
    const demanding = input > LONG_INPUT || features.includes('tools') || features.includes('vision')
    return {
      output: difficulty.expectedOutput(reading),
      chance: (model) => {
        const ability = abilityOf(model)
        const chance = difficulty.chance(ability, reading)
        // Its text says little of how hard such a task is: the stronger model is the safer one.
        return demanding ? Math.min(chance, difficulty.chance(ability, ordinary) * FLOOR) : chance
      },
    }
  }
}

const abilityFor = (difficulty: Difficulty, model: Model): Ability =>
  difficulty.known(model.id) ??
  (model.facts && difficulty.fromScores(model.facts.scores)) ??
  difficulty.fromPrice(Math.max(...model.hosts.map(({ prices }) => Number(printRate(prices.output)))))

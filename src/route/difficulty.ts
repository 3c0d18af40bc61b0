/**
 * How hard a prompt is, and how likely a model of some ability answers it well: a small learned model that runs in
 * process. P = σ(b + u·z(text)); b and u belong to the model, z to the prompt. Texts are read and forgotten.
 */
import { type Ability, abilityFromPrice, abilityFromScores, sigmoid } from './difficulty/ability.ts'
import { STRUCTURE, type Tools } from './difficulty/structure.ts'
import { makeScanner } from './difficulty/text.ts'
import { type Head, readWeights, type Weights } from './difficulty/weights.ts'

export type { Ability } from './difficulty/ability.ts'
export type { Tools } from './difficulty/structure.ts'

/** What was read from a prompt. */
export type Reading = {
  /** Where the prompt lies; an average prompt is at 0. */
  z: Float32Array
  /** 0..1: how much it looks like the prompts that the weights were learned from. */
  familiar: number
  /** Output tokens that a usual model answers with. */
  output: number
}

export type Difficulty = {
  /** Reads a prompt (and how many tools come with it): one pass, at most 2,500 characters. */
  read: (text: string, tools?: Tools) => Reading
  /** Chance of a good answer, 0..1; what is not known counts against the model. */
  chance: (ability: Ability, reading: Reading) => number
  /** Ability of a model that was labelled, by its name with or without its lab. */
  known: (model: string) => Ability | undefined
  /** Ability from benchmark scores (0..1 or 0..100) by name; undefined when none is of use. A better score is never a lower `b`. */
  fromScores: (scores: Readonly<Record<string, number>>) => Ability | undefined
  /** Ability of a model of which nothing but its price is known, in USD per million output tokens. */
  fromPrice: (outputDollarsPerMillion: number) => Ability
  /** Output tokens expected for a prompt at a model of this wordiness, 1 is usual. */
  expectedOutput: (reading: Reading, verbosity?: number) => number
}

/** The difficulty model with the committed weights; reads the file once, synchronously. */
export const loadDifficulty = (): Difficulty => createDifficulty(readWeights())

export const createDifficulty = (weights: Weights): Difficulty => {
  const { head } = weights
  const labelled = labelledIn(head)
  const { shrink, shift, widen, unsure } = head.caution
  const middle = head.prior.mean[0]!
  return {
    read: createReader(weights),
    chance: ({ b, u, sure }, { z, familiar }) => {
      let sum = 0
      for (let d = 0; d < z.length; d++) sum += u[d]! * z[d]!
      const strange = 1 - familiar
      const general = b + strange * (widen * (b - middle) - shift)
      return sigmoid(general + sum * (1 - shrink * strange) - unsure * Math.max(0, SURE - sure))
    },
    known: (model) => labelled.get(model) ?? labelled.get(plainName(model)),
    fromScores: (scores) => abilityFromScores(head, scores),
    fromPrice: (dollars) => abilityFromPrice(head, dollars),
    expectedOutput: ({ output }, verbosity = 1) => output * verbosity,
  }
}

/** What is as sure as this is not held against a model. */
const SURE = 0.6

/** Labelled models by their names and by their names without a date: the newest of a name. */
const labelledIn = ({ models }: Head): Map<string, Ability> => {
  const labelled = new Map<string, Ability>()
  for (const name of Object.keys(models).sort()) {
    const [b, sure, wordy, ...u] = models[name]!
    const ability = { b: b!, sure: sure!, wordy: wordy!, u: Float32Array.from(u) }
    labelled.set(name, ability)
    const undated = name.replace(/-20\d\d-?\d\d-?\d\d$/, '')
    if (models[undated] === undefined) labelled.set(undated, ability)
  }
  return labelled
}

/** A name without its lab and without what makers add to say that a model is for chat. */
const plainName = (model: string): string =>
  model.slice(model.indexOf('/') + 1).replace(/-(instruct|it|chat)$/, '')

/** Standardised structure is cut at so many deviations: a text unlike all others must not run off. */
export const LIMIT = 3
/** Nothing is expected to answer in fewer or more tokens than these, whatever the text looks like. */
const SHORTEST = 4
const LONGEST = 2_000

const createReader = (weights: Weights): Difficulty['read'] => {
  const { head, table, idf, mean, scale, centre, linear, lexicon, kinds } = weights
  const { dims, caution, output } = head
  const steps = Float32Array.from(head.steps)
  const zWeights = Float32Array.from(output.z)
  const sWeights = Float32Array.from(output.structure)
  const scan = makeScanner(lexicon)
  const bag = new Int32Array(dims)
  const s = new Float32Array(STRUCTURE)
  return (text, tools) => {
    const z = new Float32Array(dims)
    const { features, count, structure, words, known } = scan(text, tools)
    if (text.length === 0) return { z, familiar: 1, output: Math.exp(output.base) }
    bag.fill(0)
    let norm = 1
    for (let i = 0; i < count; i++) {
      const bucket = features[i]!
      const weight = idf[bucket]!
      norm += weight * weight
      const at = bucket * dims
      for (let d = 0; d < dims; d++) bag[d]! += table[at + d]!
    }
    const unit = 255 / Math.sqrt(norm)
    for (let d = 0; d < dims; d++) z[d] = bag[d]! * steps[d]! * unit
    for (let j = 0; j < STRUCTURE; j++) {
      const x = (structure[j]! - mean[j]!) * scale[j]!
      s[j] = Math.min(LIMIT, Math.max(-LIMIT, x))
    }
    let length = output.base
    for (let j = 0; j < STRUCTURE; j++) {
      const x = s[j]!
      if (x === 0) continue
      length += x * sWeights[j]!
      for (let d = 0; d < dims; d++) z[d]! += x * linear[j * dims + d]!
    }
    for (let d = 0; d < dims; d++) {
      z[d]! -= centre[d]!
      length += z[d]! * zWeights[d]!
    }
    const seen = (known + 2) / (words + 2)
    const near = (caution.far - apart(s, kinds)) / caution.width
    return {
      z,
      familiar: sigmoid(caution.familiarSlope * (seen - caution.familiarAt)) * sigmoid(near),
      output: Math.min(LONGEST, Math.max(SHORTEST, Math.exp(length))),
    }
  }
}

/** Distance of a structure from the nearest kind. */
const apart = (s: Float32Array, kinds: Float32Array): number => {
  let least = Number.POSITIVE_INFINITY
  for (let from = 0; from < kinds.length; from += STRUCTURE) {
    let sum = 0
    for (let j = 0; j < STRUCTURE; j++) {
      const gap = s[j]! - kinds[from + j]!
      sum += gap * gap
    }
    if (sum < least) least = sum
  }
  return Math.sqrt(least)
}

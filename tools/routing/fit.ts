/** Text-IRT by gradient descent: P(model answers well | text) = σ(b + u·z(text)), on plain typed arrays, seeded. */

import { BUCKETS, bucketOf, markOf } from '../../src/route/difficulty/hash.ts'
import { STRUCTURE, type Tools } from '../../src/route/difficulty/structure.ts'
import { makeScanner } from '../../src/route/difficulty/text.ts'

/** Prompts as numbers: hashed features row by row (idf-weighted, unit length) and standardised structure. */
export type Features = {
  rows: number
  starts: Uint32Array
  buckets: Uint16Array
  values: Float32Array
  structure: Float32Array
}
export type Frame = { idf: Float32Array; mean: Float32Array; scale: Float32Array; lexicon: Uint16Array }

/** Standardised structure is cut at so many deviations: a text unlike all others must not run off. */
export const LIMIT = 3

/** A seeded generator (mulberry32). */
export const random = (seed: number) => {
  let a = seed >>> 0
  return (): number => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), a | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Every feature of every prompt as its hash, each once a prompt, and the structure as it was measured. */
export type Raw = { rows: number; starts: Uint32Array; hashes: Uint32Array; structure: Float32Array }

export const scanAll = (prompts: readonly Prompt[]): Raw => {
  const scan = makeScanner()
  const starts = new Uint32Array(prompts.length + 1)
  const structure = new Float32Array(prompts.length * STRUCTURE)
  const all: Uint32Array[] = []
  let size = 0
  for (const [i, { text, tools }] of prompts.entries()) {
    const one = scan(text, tools)
    const own = Uint32Array.from(new Set(one.features.subarray(0, one.count)))
    all.push(own)
    size += own.length
    starts[i + 1] = size
    structure.set(one.structure, i * STRUCTURE)
  }
  const hashes = new Uint32Array(size)
  for (const [i, own] of all.entries()) hashes.set(own, starts[i])
  return { rows: prompts.length, starts, hashes, structure }
}
export type Prompt = { text: string; tools?: Tools }

/** Which feature each bucket stands for (the commonest that falls into it), idf, and the mean and spread of the structure. */
export const frameOf = (raw: Raw, members: ArrayLike<number>, rarest = 3): Frame => {
  const n = members.length
  const df = new Map<number, number>()
  const mean = new Float64Array(STRUCTURE)
  const square = new Float64Array(STRUCTURE)
  for (let k = 0; k < n; k++) {
    const r = members[k]!
    for (let j = raw.starts[r]!; j < raw.starts[r + 1]!; j++)
      df.set(raw.hashes[j]!, (df.get(raw.hashes[j]!) ?? 0) + 1)
    for (let j = 0; j < STRUCTURE; j++) {
      const x = raw.structure[r * STRUCTURE + j]!
      mean[j]! += x / n
      square[j]! += (x * x) / n
    }
  }
  const lexicon = new Uint16Array(BUCKETS)
  const common = new Uint32Array(BUCKETS)
  for (const [hash, count] of df) {
    const bucket = bucketOf(hash)
    if (count < rarest || count <= common[bucket]!) continue
    common[bucket] = count
    lexicon[bucket] = markOf(hash)
  }
  const idf = Float32Array.from(common, (d) => (d === 0 ? 0 : Math.log((n + 1) / (d + 1)) / Math.log(n + 1)))
  const scale = Float32Array.from(square, (s, j) => {
    const spread = Math.sqrt(Math.max(0, s - mean[j]! * mean[j]!))
    return spread > 1e-3 ? 1 / Math.max(spread, 0.05) : 0
  })
  return { lexicon, idf, mean: Float32Array.from(mean), scale }
}

export const featuresOf = (raw: Raw, frame: Frame): Features => {
  const starts = new Uint32Array(raw.rows + 1)
  const buckets = new Uint16Array(raw.hashes.length)
  const values = new Float32Array(raw.hashes.length)
  const structure = new Float32Array(raw.structure.length)
  let size = 0
  for (let r = 0; r < raw.rows; r++) {
    let sum = 1e-6
    const from = size
    for (let j = raw.starts[r]!; j < raw.starts[r + 1]!; j++) {
      const hash = raw.hashes[j]!
      const bucket = bucketOf(hash)
      if (frame.lexicon[bucket] !== markOf(hash)) continue
      buckets[size++] = bucket
      sum += frame.idf[bucket]! ** 2
    }
    const norm = 1 / Math.sqrt(sum)
    for (let j = from; j < size; j++) values[j] = frame.idf[buckets[j]!]! * norm
    starts[r + 1] = size
    for (let j = 0; j < STRUCTURE; j++) {
      const x = (raw.structure[r * STRUCTURE + j]! - frame.mean[j]!) * frame.scale[j]!
      structure[r * STRUCTURE + j] = Math.max(-LIMIT, Math.min(LIMIT, x))
    }
  }
  return { rows: raw.rows, starts, buckets: buckets.slice(0, size), values: values.slice(0, size), structure }
}

/** Known outcomes: per row the models asked and how well they answered. */
export type Labels = {
  models: string[]
  starts: Uint32Array
  model: Uint16Array
  value: Float32Array
  weight: Float32Array
}

export type Shape = { dims: number }
export type Net = Shape & {
  table: Float32Array
  linear: Float32Array
  u: Float32Array
  b: Float32Array
}
export type Recipe = Shape & {
  epochs: number
  seed: number
  rateTable: number
  rateDense: number
  decayTable: number
  decayDense: number
  decayU: number
  drop: number
  dropStructure: number
}

const gauss = (next: () => number): number =>
  Math.sqrt(-2 * Math.log(next() + 1e-12)) * Math.cos(2 * Math.PI * next())

export const makeNet = (models: number, { dims }: Shape, next: () => number): Net => {
  const fill = (size: number, spread: number) =>
    Float32Array.from({ length: size }, () => spread * gauss(next))
  return {
    dims,
    table: fill(BUCKETS * dims, 0.05),
    linear: fill(STRUCTURE * dims, 0.05),
    u: fill(models * dims, 0.3),
    b: new Float32Array(models),
  }
}

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

/** z of one row. */
export const embed = (net: Net, f: Features, row: number, z: Float32Array): void => {
  const { dims, table, linear } = net
  z.fill(0)
  for (let j = f.starts[row]!; j < f.starts[row + 1]!; j++) {
    const at = f.buckets[j]! * dims
    const v = f.values[j]!
    for (let d = 0; d < dims; d++) z[d]! += v * table[at + d]!
  }
  for (let j = 0; j < STRUCTURE; j++) {
    const x = f.structure[row * STRUCTURE + j]!
    if (x !== 0) for (let d = 0; d < dims; d++) z[d]! += x * linear[j * dims + d]!
  }
}

const BATCH = 16

/** Trains one net. The weights of the last third of the epochs are averaged: cheaper than more seeds and as calm. */
export const fitNet = (f: Features, labels: Labels, members: ArrayLike<number>, recipe: Recipe): Net => {
  const next = random(recipe.seed)
  const net = makeNet(labels.models.length, recipe, next)
  startBiases(net, labels, members)
  const learner = makeLearner(net, recipe)
  const order = Uint32Array.from(members)
  const weights = [net.table, net.linear, net.u, net.b]
  const averages = weights.map((w) => new Float64Array(w.length))
  let averaged = 0
  let step = 0
  const steps = Math.ceil(order.length / BATCH) * recipe.epochs
  for (let epoch = 0; epoch < recipe.epochs; epoch++) {
    shuffle(order, next)
    for (let from = 0; from < order.length; from += BATCH) {
      const to = Math.min(order.length, from + BATCH)
      for (let k = from; k < to; k++) learner.row(f, labels, order[k]!, next)
      step++
      const heat = Math.min(1, step / 200) * (0.5 + 0.5 * Math.cos((Math.PI * step) / steps)) + 0.02
      learner.step(heat, 1 / (to - from), step)
    }
    if (epoch < Math.floor((recipe.epochs * 2) / 3)) continue
    averaged++
    for (const [i, w] of weights.entries()) {
      const a = averages[i]!
      for (let j = 0; j < w.length; j++) a[j]! += w[j]!
    }
  }
  for (const [i, w] of weights.entries()) {
    const a = averages[i]!
    for (let j = 0; j < w.length; j++) w[j] = a[j]! / averaged
  }
  return net
}

const shuffle = (order: Uint32Array, next: () => number): void => {
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1))
    const t = order[i]!
    order[i] = order[j]!
    order[j] = t
  }
}

/** Gathers gradients row by row and steps: plain descent for the words, Adam for the rest. */
const makeLearner = (net: Net, recipe: Recipe) => {
  const { dims, table, linear, u, b } = net
  const gTable = new Float32Array(table.length)
  const touched = new Uint16Array(BUCKETS)
  const isTouched = new Uint8Array(BUCKETS)
  let touchedCount = 0
  const gLinear = new Float32Array(linear.length)
  const gU = new Float32Array(u.length)
  const gB = new Float32Array(b.length)
  const dense = [adam(linear, gLinear, recipe.decayDense), adam(u, gU, recipe.decayU), adam(b, gB, 0)]
  const z = new Float32Array(dims)
  const dz = new Float32Array(dims)
  const s = new Float32Array(STRUCTURE)
  const kept = new Uint16Array(20_000)
  const keptValue = new Float32Array(20_000)

  const row = (f: Features, labels: Labels, at: number, next: () => number): void => {
    const { buckets, values, structure } = f
    let n = 0
    let sum = 1e-6
    for (let j = f.starts[at]!; j < f.starts[at + 1]!; j++) {
      if (next() < recipe.drop) continue
      const v = values[j]!
      kept[n] = buckets[j]!
      keptValue[n++] = v
      sum += v * v
    }
    const norm = 1 / Math.sqrt(sum)
    z.fill(0)
    dz.fill(0)
    for (let j = 0; j < n; j++) {
      const v = keptValue[j]! * norm
      keptValue[j] = v
      const from = kept[j]! * dims
      for (let d = 0; d < dims; d++) z[d]! += v * table[from + d]!
    }
    for (let j = 0; j < STRUCTURE; j++) {
      const x = next() < recipe.dropStructure ? 0 : structure[at * STRUCTURE + j]!
      s[j] = x
      if (x !== 0) for (let d = 0; d < dims; d++) z[d]! += x * linear[j * dims + d]!
    }
    for (let c = labels.starts[at]!; c < labels.starts[at + 1]!; c++) {
      const m = labels.model[c]!
      let logit = b[m]!
      for (let d = 0; d < dims; d++) logit += u[m * dims + d]! * z[d]!
      const g = (sigmoid(logit) - labels.value[c]!) * labels.weight[c]!
      gB[m]! += g
      for (let d = 0; d < dims; d++) {
        gU[m * dims + d]! += g * z[d]!
        dz[d]! += g * u[m * dims + d]!
      }
    }
    for (let j = 0; j < STRUCTURE; j++) {
      const x = s[j]!
      if (x !== 0) for (let d = 0; d < dims; d++) gLinear[j * dims + d]! += dz[d]! * x
    }
    for (let j = 0; j < n; j++) {
      const bucket = kept[j]!
      if (isTouched[bucket] === 0) {
        isTouched[bucket] = 1
        touched[touchedCount++] = bucket
      }
      const v = keptValue[j]!
      const from = bucket * dims
      for (let d = 0; d < dims; d++) gTable[from + d]! += v * dz[d]!
    }
  }

  const step = (heat: number, scale: number, count: number): void => {
    const rate = recipe.rateTable * heat
    const keep = 1 - rate * recipe.decayTable
    for (let i = 0; i < touchedCount; i++) {
      const bucket = touched[i]!
      isTouched[bucket] = 0
      const from = bucket * dims
      for (let d = from; d < from + dims; d++) {
        table[d] = table[d]! * keep - rate * scale * gTable[d]!
        gTable[d] = 0
      }
    }
    touchedCount = 0
    for (const one of dense) one(recipe.rateDense * heat, scale, count)
  }
  return { row, step }
}

const adam = (w: Float32Array, g: Float32Array, decay: number) => {
  const first = new Float32Array(w.length)
  const second = new Float32Array(w.length)
  return (rate: number, scale: number, count: number): void => {
    const c1 = 1 / (1 - 0.9 ** count)
    const c2 = 1 / (1 - 0.999 ** count)
    for (let i = 0; i < w.length; i++) {
      const grad = g[i]! * scale
      first[i] = 0.9 * first[i]! + 0.1 * grad
      second[i] = 0.999 * second[i]! + 0.001 * grad * grad
      w[i]! -= rate * ((first[i]! * c1) / (Math.sqrt(second[i]! * c2) + 1e-6) + decay * w[i]!)
      g[i] = 0
    }
  }
}

const startBiases = (net: Net, labels: Labels, members: ArrayLike<number>): void => {
  const sum = new Float64Array(net.b.length)
  const count = new Float64Array(net.b.length)
  for (let k = 0; k < members.length; k++) {
    const row = members[k]!
    for (let c = labels.starts[row]!; c < labels.starts[row + 1]!; c++) {
      sum[labels.model[c]!]! += labels.value[c]!
      count[labels.model[c]!]!++
    }
  }
  for (let m = 0; m < net.b.length; m++) {
    const p = (sum[m]! + 2) / (count[m]! + 4)
    net.b[m] = Math.log(p / (1 - p))
  }
}

/** Text-IRT by gradient descent: P(model answers well | text) = σ(b + u·z(text)), on plain typed arrays, seeded. */
import { BUCKETS, bucketOf, makeScanner, markOf, STRUCTURE, type Tools } from '../../src/route/difficulty/text.ts'

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
export type Labels = { models: string[]; starts: Uint32Array; model: Uint16Array; value: Float32Array; weight: Float32Array }

export type Shape = { dims: number; hidden: number }
export type Net = Shape & {
  table: Float32Array
  linear: Float32Array
  inner: Float32Array
  innerZ: Float32Array
  innerBias: Float32Array
  outer: Float32Array
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

export const makeNet = (models: number, { dims, hidden }: Shape, next: () => number): Net => {
  const fill = (size: number, spread: number) => Float32Array.from({ length: size }, () => spread * gauss(next))
  return {
    dims,
    hidden,
    table: fill(BUCKETS * dims, 0.05),
    linear: fill(STRUCTURE * dims, 0.05),
    inner: fill(hidden * STRUCTURE, 0.12),
    innerZ: fill(hidden * dims, 0.2),
    innerBias: new Float32Array(hidden),
    outer: fill(dims * hidden, 0.1),
    u: fill(models * dims, 0.3),
    b: new Float32Array(models),
  }
}

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

/** z of one row; `h` receives the hidden layer and `s` the structure as used. */
export const embed = (net: Net, f: Features, row: number, z: Float32Array, h: Float32Array): void => {
  const { dims, hidden } = net
  z.fill(0)
  for (let j = f.starts[row]!; j < f.starts[row + 1]!; j++) {
    const at = f.buckets[j]! * dims
    const v = f.values[j]!
    for (let d = 0; d < dims; d++) z[d]! += v * net.table[at + d]!
  }
  finish(net, f.structure, row * STRUCTURE, z, h, dims, hidden)
}

const finish = (net: Net, s: Float32Array, at: number, z: Float32Array, h: Float32Array, dims: number, hidden: number) => {
  for (let k = 0; k < hidden; k++) {
    let sum = net.innerBias[k]!
    for (let j = 0; j < STRUCTURE; j++) sum += net.inner[k * STRUCTURE + j]! * s[at + j]!
    for (let d = 0; d < dims; d++) sum += net.innerZ[k * dims + d]! * z[d]!
    h[k] = sum > 0 ? sum : 0
  }
  for (let j = 0; j < STRUCTURE; j++) {
    const x = s[at + j]!
    if (x !== 0) for (let d = 0; d < dims; d++) z[d]! += x * net.linear[j * dims + d]!
  }
  for (let d = 0; d < dims; d++) {
    let sum = 0
    for (let k = 0; k < hidden; k++) sum += net.outer[d * hidden + k]! * h[k]!
    z[d]! += sum
  }
}

const BATCH = 16

/** Trains one net. The weights of the last third of the epochs are averaged: cheaper than more seeds and as calm. */
export const fit = (f: Features, labels: Labels, members: ArrayLike<number>, recipe: Recipe): Net => {
  const next = random(recipe.seed)
  const { dims, hidden } = recipe
  const net = makeNet(labels.models.length, recipe, next)
  startBiases(net, labels, members)
  const gTable = new Float32Array(BUCKETS * dims)
  const touched = new Uint16Array(BUCKETS)
  const isTouched = new Uint8Array(BUCKETS)
  const dense = [net.linear, net.inner, net.innerZ, net.innerBias, net.outer, net.u, net.b]
  const grads = dense.map((w) => new Float32Array(w.length))
  const firsts = dense.map((w) => new Float32Array(w.length))
  const seconds = dense.map((w) => new Float32Array(w.length))
  const decays = [recipe.decayDense, recipe.decayDense, recipe.decayDense, 0, recipe.decayDense, recipe.decayU, 0]
  const [gLinear, gInner, gInnerZ, gInnerBias, gOuter, gU, gB] = grads as [
    Float32Array, Float32Array, Float32Array, Float32Array, Float32Array, Float32Array, Float32Array,
  ]
  const z = new Float32Array(dims)
  const zBag = new Float32Array(dims)
  const dz = new Float32Array(dims)
  const h = new Float32Array(hidden)
  const dh = new Float32Array(hidden)
  const s = new Float32Array(STRUCTURE)
  const kept = new Uint16Array(20_000)
  const keptValue = new Float32Array(20_000)
  const order = Uint32Array.from(members)
  const averages = [net.table, ...dense].map((w) => new Float64Array(w.length))
  let averaged = 0
  let step = 0
  const steps = Math.ceil(order.length / BATCH) * recipe.epochs
  for (let epoch = 0; epoch < recipe.epochs; epoch++) {
    for (let i = order.length - 1; i > 0; i--) {
      const j = Math.floor(next() * (i + 1))
      const t = order[i]!
      order[i] = order[j]!
      order[j] = t
    }
    for (let from = 0; from < order.length; from += BATCH) {
      const to = Math.min(order.length, from + BATCH)
      let touchedCount = 0
      for (let k = from; k < to; k++) {
        const row = order[k]!
        let n = 0
        let sum = 1e-6
        for (let j = f.starts[row]!; j < f.starts[row + 1]!; j++) {
          if (recipe.drop > 0 && next() < recipe.drop) continue
          kept[n] = f.buckets[j]!
          keptValue[n++] = f.values[j]!
          sum += f.values[j]! ** 2
        }
        const norm = 1 / Math.sqrt(sum)
        zBag.fill(0)
        for (let j = 0; j < n; j++) {
          const v = (keptValue[j]! *= norm)
          const at = kept[j]! * dims
          for (let d = 0; d < dims; d++) zBag[d]! += v * net.table[at + d]!
        }
        z.set(zBag)
        for (let j = 0; j < STRUCTURE; j++)
          s[j] = recipe.dropStructure > 0 && next() < recipe.dropStructure ? 0 : f.structure[row * STRUCTURE + j]!
        finish(net, s, 0, z, h, dims, hidden)
        dz.fill(0)
        for (let c = labels.starts[row]!; c < labels.starts[row + 1]!; c++) {
          const m = labels.model[c]!
          let logit = net.b[m]!
          for (let d = 0; d < dims; d++) logit += net.u[m * dims + d]! * z[d]!
          const g = (sigmoid(logit) - labels.value[c]!) * labels.weight[c]!
          gB[m]! += g
          for (let d = 0; d < dims; d++) {
            gU[m * dims + d]! += g * z[d]!
            dz[d]! += g * net.u[m * dims + d]!
          }
        }
        for (let q = 0; q < hidden; q++) {
          let sumH = 0
          if (h[q]! > 0) for (let d = 0; d < dims; d++) sumH += net.outer[d * hidden + q]! * dz[d]!
          dh[q] = sumH
        }
        for (let d = 0; d < dims; d++) {
          const g = dz[d]!
          for (let q = 0; q < hidden; q++) gOuter[d * hidden + q]! += g * h[q]!
        }
        for (let j = 0; j < STRUCTURE; j++) {
          const x = s[j]!
          if (x === 0) continue
          for (let d = 0; d < dims; d++) gLinear[j * dims + d]! += dz[d]! * x
        }
        for (let q = 0; q < hidden; q++) {
          const g = dh[q]!
          if (g === 0) continue
          gInnerBias[q]! += g
          for (let j = 0; j < STRUCTURE; j++) gInner[q * STRUCTURE + j]! += g * s[j]!
          for (let d = 0; d < dims; d++) {
            gInnerZ[q * dims + d]! += g * zBag[d]!
            dz[d]! += g * net.innerZ[q * dims + d]!
          }
        }
        for (let j = 0; j < n; j++) {
          const bucket = kept[j]!
          if (isTouched[bucket] === 0) {
            isTouched[bucket] = 1
            touched[touchedCount++] = bucket
          }
          const at = bucket * dims
          const v = keptValue[j]!
          for (let d = 0; d < dims; d++) gTable[at + d]! += v * dz[d]!
        }
      }
      step++
      const heat = Math.min(1, step / 200) * (0.5 + 0.5 * Math.cos((Math.PI * step) / steps)) + 0.02
      const scale = 1 / (to - from)
      for (let i = 0; i < touchedCount; i++) {
        const bucket = touched[i]!
        isTouched[bucket] = 0
        const at = bucket * dims
        const rate = recipe.rateTable * heat
        for (let d = 0; d < dims; d++) {
          const w = net.table[at + d]!
          net.table[at + d] = w - rate * (gTable[at + d]! * scale + recipe.decayTable * w)
          gTable[at + d] = 0
        }
      }
      const c1 = 1 / (1 - 0.9 ** step)
      const c2 = 1 / (1 - 0.999 ** step)
      for (let p = 0; p < dense.length; p++) {
        const w = dense[p]!
        const g = grads[p]!
        const m1 = firsts[p]!
        const m2 = seconds[p]!
        const decay = decays[p]!
        const rate = recipe.rateDense * heat
        for (let i = 0; i < w.length; i++) {
          const grad = g[i]! * scale
          m1[i] = 0.9 * m1[i]! + 0.1 * grad
          m2[i] = 0.999 * m2[i]! + 0.001 * grad * grad
          w[i]! -= rate * ((m1[i]! * c1) / (Math.sqrt(m2[i]! * c2) + 1e-6) + decay * w[i]!)
          g[i] = 0
        }
      }
    }
    if (epoch >= Math.floor((recipe.epochs * 2) / 3)) {
      averaged++
      for (const [i, w] of [net.table, ...dense].entries()) {
        const a = averages[i]!
        for (let j = 0; j < w.length; j++) a[j]! += w[j]!
      }
    }
  }
  for (const [i, w] of [net.table, ...dense].entries()) {
    const a = averages[i]!
    for (let j = 0; j < w.length; j++) w[j] = a[j]! / averaged
  }
  return net
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

/** Logits of all models for the given rows, row-major. */
export const logitsOf = (net: Net, f: Features, rows: ArrayLike<number>): Float32Array => {
  const models = net.b.length
  const out = new Float32Array(rows.length * models)
  const z = new Float32Array(net.dims)
  const h = new Float32Array(net.hidden)
  for (let i = 0; i < rows.length; i++) {
    embed(net, f, rows[i]!, z, h)
    for (let m = 0; m < models; m++) {
      let logit = net.b[m]!
      for (let d = 0; d < net.dims; d++) logit += net.u[m * net.dims + d]! * z[d]!
      out[i * models + m] = logit
    }
  }
  return out
}

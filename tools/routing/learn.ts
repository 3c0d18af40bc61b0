/** From outcomes to weights: several nets, made into one; then abilities, places of benchmarks, lengths and prices. */
import { eliminate } from '../../src/route/difficulty/ability.ts'
import { BUCKETS } from '../../src/route/difficulty/hash.ts'
import { STRUCTURE } from '../../src/route/difficulty/structure.ts'
import type { Head, Weights } from '../../src/route/difficulty/weights.ts'
import { type Cells, fitAbilities, type Reference } from './abilities.ts'
import { latentOfBenchmarks } from './benchmarks.ts'
import type { Manifest, Priors, Row } from './data.ts'
import {
  embed,
  type Features,
  type Frame,
  featuresOf,
  fitNet,
  frameOf,
  type Labels,
  type Net,
  type Prompt,
  type Recipe,
  scanAll,
} from './fit.ts'
import { kindsOf } from './kinds.ts'
import { cholesky, eigen, invertLower, multiply, transpose, zeros } from './linear.ts'

export type Plan = {
  seeds: readonly number[]
  dims: number
  recipe: Omit<Recipe, 'seed'>
  caution: Omit<Head['caution'], 'far' | 'width'>
  repeat: number
  referenceWeight: number
}

export const PLAN: Plan = {
  seeds: [1, 2, 3, 4, 5, 6],
  repeat: 8,
  referenceWeight: 200,
  dims: 16,
  recipe: {
    dims: 16,
    epochs: 14,
    rateTable: 1,
    rateDense: 0.001,
    decayTable: 1e-3,
    decayDense: 1e-3,
    decayU: 1e-3,
    drop: 0.4,
    dropStructure: 0.2,
  },
  caution: { familiarAt: 0.6, familiarSlope: 12, shrink: 0.5, shift: 0.5, widen: 1, unsure: 0.6 },
}

export type Lesson = {
  rows: readonly Row[]
  manifest: Manifest
  priors: Priors
  references: readonly Reference[]
}

/** Learns weights; the same lesson and plan give the same weights. */
export const learn = (lesson: Lesson, plan: Plan = PLAN, say: (text: string) => void = () => {}): Weights => {
  const { rows, references } = lesson
  const models = [...new Set(Object.values(lesson.manifest).flatMap((one) => one.models))]
  const prompts: Prompt[] = [
    ...rows.map(({ p }) => ({ text: p })),
    ...references.flatMap((one) =>
      one.prompts.map((text) => ({ text, ...(one.tools && { tools: one.tools }) })),
    ),
  ]
  const raw = scanAll(prompts)
  const members = Array.from({ length: prompts.length }, (_, i) => i)
  const frame = frameOf(raw, members)
  const features = featuresOf(raw, frame)
  const labels = labelsOf(lesson, models)
  const lessons = members.flatMap((i) => (i < rows.length ? [i] : new Array<number>(plan.repeat).fill(i)))
  // Every net leaves out its own part of the questions: what it says of these is as honest as of a new one.
  const parts = Math.ceil(plan.seeds.length * 1.5)
  const part = (i: number) =>
    i < rows.length ? (Math.imul(rows[i]!.group, 0x9e3779b1) >>> 16) % parts : ALWAYS
  const nets = plan.seeds.map((seed, k) => {
    say(`net ${k + 1} of ${plan.seeds.length}`)
    const own = lessons.filter((i) => part(i) !== k)
    return fitNet(features, labels, own, { ...plan.recipe, seed })
  })
  say('one of them all')
  const one = merge(nets, features, labels, plan.dims)
  const z = members.map((row) => place(one, features, row))
  say('abilities')
  const honest = honestPlaces(nets, features, z, part)
  const judged = (i: number) => part(i) < nets.length
  const cells = cellsOf(lesson, models, honest, plan.referenceWeight, judged)
  const { prior, abilities } = fitAbilities(
    cells,
    plan.dims,
    models.map((name) => priceOf(lesson, name)),
  )
  const output = lengths(lesson, features, z, plan.dims)
  const packed = pack(one, frame)
  const kinds = kindsOf(features, rows.length)
  const head: Head = {
    dims: plan.dims,
    steps: one.steps,
    prior,
    models: Object.fromEntries(
      models.flatMap((name, m) => {
        const { v, sure } = abilities[m]!
        return sure > 0 ? [[name, [v[0]!, sure, wordyOf(lesson, name), ...v.slice(1)].map(short)]] : []
      }),
    ),
    places: placesOf(lesson, z),
    ...latentOfBenchmarks(new Map(models.map((name, m) => [name, abilities[m]!.v[0]!]))),
    output,
    caution: { ...plan.caution, ...kinds.reach },
  }
  return { head: rounded(head), ...packed, kinds: kinds.centres }
}

const short = (x: number): number => Number(x.toFixed(4))
const rounded = (head: Head): Head =>
  JSON.parse(JSON.stringify(head, (_, x) => (typeof x === 'number' ? Number(x.toPrecision(6)) : x))) as Head

/** The part of a prompt that no net leaves out. */
const ALWAYS = -1

/** ln of the output price in USD per million. */
const priceOf = ({ manifest }: Lesson, model: string): number => {
  const all = Object.values(manifest).flatMap((one) => one.price_in_out_per_Mtok[model] ?? [])
  return Math.log(all[1]!)
}

/** How much each known outcome counts: less for a prompt that many models answered. */
const labelsOf = ({ rows, references }: Lesson, models: readonly string[]): Labels => {
  const at = new Map(models.map((name, i) => [name, i]))
  const starts = [0]
  const model: number[] = []
  const value: number[] = []
  const weight: number[] = []
  const add = (outcomes: Iterable<[string, number]>, each: number): void => {
    for (const [name, quality] of outcomes) {
      if (!at.has(name)) continue
      model.push(at.get(name)!)
      value.push(quality)
      weight.push(each)
    }
    starts.push(model.length)
  }
  const sizes = new Map<string, number>()
  for (const { ds } of rows) sizes.set(ds, (sizes.get(ds) ?? 0) + 1)
  for (const { q, ds } of rows) add(q, boostOf(sizes.get(ds)!) / Math.sqrt(Math.max(1, q.size)))
  for (const { prompts, scores } of references)
    for (const _ of prompts) add(Object.entries(scores), 1 / Math.sqrt(Object.keys(scores).length))
  return {
    models: [...models],
    starts: Uint32Array.from(starts),
    model: Uint16Array.from(model),
    value: Float32Array.from(value),
    weight: Float32Array.from(weight),
  }
}

/** A small data set would be learned less than a large one: its prompts count up to three times. */
const boostOf = (size: number): number => Math.min(3, Math.max(1, Math.sqrt(ENOUGH / size)))
const ENOUGH = 4_000

type One = { dims: number; table: Float32Array; linear: Float32Array; centre: Float32Array; steps: number[] }

/** The mean of the nets' logits lies in the space of all their z together; its main directions make one net of it. */
const merge = (nets: readonly Net[], f: Features, labels: Labels, dims: number): One => {
  const each = nets[0]!.dims
  const all = each * nets.length
  const rows = f.rows
  const long = Array.from({ length: rows }, (_, row) => {
    const z = nets.map((net) => {
      const out = new Float32Array(each)
      embed(net, f, row, out)
      return out
    })
    return z.flatMap((part) => [...part])
  })
  const mean = new Array<number>(all).fill(0)
  for (const z of long) for (const [i, x] of z.entries()) mean[i]! += x / rows
  const spread = zeros(all, all)
  for (const z of long)
    for (let i = 0; i < all; i++) {
      const x = z[i]! - mean[i]!
      for (let j = 0; j <= i; j++) spread[i]![j]! += (x * (z[j]! - mean[j]!)) / rows
    }
  for (let i = 0; i < all; i++) {
    for (let j = 0; j < i; j++) spread[j]![i] = spread[i]![j]!
    spread[i]![i]! += 1e-6
  }
  const counts = new Float64Array(labels.models.length)
  for (const m of labels.model) counts[m]!++
  const gram = zeros(all, all)
  for (let m = 0; m < counts.length; m++) {
    const u = nets.flatMap((net) => [...net.u.subarray(m * each, (m + 1) * each)])
    const w = Math.sqrt(counts[m]!)
    for (let i = 0; i < all; i++) for (let j = 0; j < all; j++) gram[i]![j]! += w * u[i]! * u[j]!
  }
  const L = cholesky(spread)
  const { vectors } = eigen(multiply(multiply(transpose(L), gram), L))
  const project = multiply(vectors.slice(0, dims), invertLower(L))
  const map = (parts: readonly Float32Array[], count: number): Float32Array => {
    const out = new Float32Array(count * dims)
    for (let i = 0; i < count; i++)
      for (let d = 0; d < dims; d++) {
        let sum = 0
        for (let k = 0; k < all; k++)
          sum += project[d]![k]! * parts[Math.floor(k / each)]![i * each + (k % each)]!
        out[i * dims + d] = sum
      }
    return out
  }
  const centre = Float32Array.from(project, (row) => row.reduce((sum, x, k) => sum + x * mean[k]!, 0))
  const table = map(
    nets.map((net) => net.table),
    BUCKETS,
  )
  return {
    dims,
    table,
    linear: map(
      nets.map((net) => net.linear),
      STRUCTURE,
    ),
    centre,
    steps: [],
  }
}

/** z of a row, centred. */
const place = ({ dims, table, linear, centre }: One, f: Features, row: number): Float32Array => {
  const z = new Float32Array(dims)
  for (let j = f.starts[row]!; j < f.starts[row + 1]!; j++)
    for (let d = 0; d < dims; d++) z[d]! += f.values[j]! * table[f.buckets[j]! * dims + d]!
  for (let j = 0; j < STRUCTURE; j++)
    for (let d = 0; d < dims; d++) z[d]! += f.structure[row * STRUCTURE + j]! * linear[j * dims + d]!
  for (let d = 0; d < dims; d++) z[d]! -= centre[d]!
  return z
}

/** z as the net says it that has not seen the row, brought into the common space by regression. */
const honestPlaces = (
  nets: readonly Net[],
  f: Features,
  z: readonly Float32Array[],
  part: (i: number) => number,
): Float32Array[] => {
  const dims = z[0]!.length
  const honest = [...z]
  const own = new Float32Array(nets[0]!.dims)
  for (const [k, net] of nets.entries()) {
    const n = net.dims + 1
    const left = zeros(n, n)
    const right = zeros(dims, n)
    const seen = Array.from(z, (_, row) => {
      embed(net, f, row, own)
      return [1, ...own]
    })
    for (const [row, x] of seen.entries()) {
      if (part(row) === k) continue
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) left[i]![j]! += x[i]! * x[j]!
        for (let d = 0; d < dims; d++) right[d]![i]! += x[i]! * z[row]![d]!
      }
    }
    for (let i = 0; i < n; i++) left[i]![i]! += 1e-3
    const maps = right.map((side) => eliminate(left, side))
    for (const [row, x] of seen.entries()) {
      if (part(row) !== k) continue
      honest[row] = Float32Array.from(maps, (map) => map.reduce((sum, a, i) => sum + a * x[i]!, 0))
    }
  }
  return honest
}

/** The table in whole numbers of one step a dimension, idf included. */
const pack = ({ dims, table, linear, centre, steps }: One, frame: Frame): Omit<Weights, 'head' | 'kinds'> => {
  const largest = new Float64Array(dims)
  for (let b = 0; b < BUCKETS; b++)
    for (let d = 0; d < dims; d++)
      largest[d] = Math.max(largest[d]!, Math.abs(table[b * dims + d]! * frame.idf[b]!))
  for (let d = 0; d < dims; d++) steps[d] = Number((largest[d]! / 127 || 1).toPrecision(6))
  const whole = new Int8Array(table.length)
  for (let b = 0; b < BUCKETS; b++)
    for (let d = 0; d < dims; d++)
      whole[b * dims + d] = Math.round((table[b * dims + d]! * frame.idf[b]!) / steps[d]!)
  const idf = Uint8Array.from(frame.idf, (x) => Math.round(255 * Math.min(1, x)))
  return { table: whole, idf, lexicon: frame.lexicon, mean: frame.mean, scale: frame.scale, linear, centre }
}

const cellsOf = (
  { rows, references }: Lesson,
  models: readonly string[],
  z: readonly Float32Array[],
  referenceWeight: number,
  judged: (row: number) => boolean,
): Cells[] => {
  const at = new Map(models.map((name, i) => [name, i]))
  const cells: Cells[] = models.map(() => ({ z: [], value: [], weight: [] }))
  const add = (name: string, place: Float32Array, value: number, weight: number): void => {
    const own = at.get(name)
    if (own === undefined) return
    cells[own]!.z.push(place)
    cells[own]!.value.push(value)
    cells[own]!.weight.push(weight)
  }
  for (const [i, { q }] of rows.entries())
    if (judged(i)) for (const [name, value] of q) add(name, z[i]!, value, 1)
  let i = rows.length
  for (const { prompts, scores } of references)
    for (const _ of prompts) {
      for (const [name, value] of Object.entries(scores))
        add(name, z[i]!, value, referenceWeight / prompts.length)
      i++
    }
  return cells
}

const BINS = 10

/** Typical prompts of every data set: means of tenths, from the easiest to the hardest for its models. */
const placesOf = ({ rows, references, priors }: Lesson, z: readonly Float32Array[]): Head['places'] => {
  const places: Head['places'] = {}
  const add = (name: string, members: readonly number[]): void => {
    const ease = new Map(
      members.map((i) => {
        const row = rows[i]
        const values = row ? [...row.q.values()] : [0]
        return [i, values.reduce((sum, x) => sum + x, 0) / values.length + 1e-3 * z[i]![0]!] as const
      }),
    )
    const sorted = [...members].sort((a, b) => ease.get(a)! - ease.get(b)! || a - b)
    const bins = Math.min(BINS, sorted.length)
    const outs = Object.values(priors).flatMap((one) => one[name]?.out_tokens ?? [])
    places[name] = {
      z: Array.from({ length: bins }, (_, k) =>
        meanOf(
          sorted
            .slice(Math.floor((k * sorted.length) / bins), Math.floor(((k + 1) * sorted.length) / bins))
            .map((i) => z[i]!),
        ),
      ),
      ...(outs.length > 0 && { out: outs.reduce((sum, x) => sum + x, 0) / outs.length }),
    }
  }
  for (const name of new Set(rows.map(({ ds }) => ds)))
    add(
      name,
      rows.flatMap(({ ds }, i) => (ds === name ? [i] : [])),
    )
  let from = rows.length
  for (const { name, prompts } of references) {
    add(
      name,
      prompts.map((_, k) => from + k),
    )
    from += prompts.length
  }
  return places
}

const meanOf = (points: readonly Float32Array[]): number[] =>
  Array.from(points[0]!, (_, d) => short(points.reduce((sum, point) => sum + point[d]!, 0) / points.length))

/** Length of a model's answers against the mean of all models at the same questions. */
const wordyOf = ({ priors }: Lesson, name: string): number => {
  const ratios = Object.entries(priors[name] ?? {}).flatMap(([ds, own]) => {
    if (own.out_tokens === undefined) return []
    const all = Object.values(priors).flatMap((one) => one[ds]?.out_tokens ?? [])
    return [Math.log((own.out_tokens * all.length) / all.reduce((sum, x) => sum + x, 0))]
  })
  return ratios.length === 0 ? 1 : Math.exp(ratios.reduce((sum, x) => sum + x, 0) / ratios.length)
}

/** ln(output tokens) by ridge regression on z and structure, from the data sets that have lengths. */
const lengths = ({ rows }: Lesson, f: Features, z: readonly Float32Array[], dims: number): Head['output'] => {
  const n = 1 + dims + STRUCTURE
  const left = zeros(n, n)
  const right = new Array<number>(n).fill(0)
  const x = new Float64Array(n)
  for (const [i, { o }] of rows.entries()) {
    if (!o || o.size === 0) continue
    let y = 0
    for (const length of o.values()) y += Math.log(length) / o.size
    x[0] = 1
    x.set(z[i]!, 1)
    x.set(f.structure.subarray(i * STRUCTURE, (i + 1) * STRUCTURE), 1 + dims)
    for (let a = 0; a < n; a++) {
      right[a]! += x[a]! * y
      for (let b = 0; b < n; b++) left[a]![b]! += x[a]! * x[b]!
    }
  }
  for (let a = 1; a < n; a++) left[a]![a]! += 50
  left[0]![0]! += 1e-6
  const w = eliminate(left, right)
  return { base: w[0]!, z: w.slice(1, 1 + dims), structure: w.slice(1 + dims) }
}

/** data/difficulty.bin: a JSON head and binary parts, written by `npm run train`. */
import { readFileSync } from 'node:fs'

export type Head = {
  dims: number
  /** One step of the table's whole numbers, per dimension. */
  steps: number[]
  /** Where abilities lie: mean and covariance of (b, u) over the labelled models. */
  prior: { mean: number[]; covariance: number[][] }
  /** Labelled models by name: b, u…, how well known, how wordy. */
  models: Record<string, number[]>
  /** Data sets and benchmarks whose prompts have been read: typical z, and the mean length of an answer. */
  places: Record<string, { z: number[][]; out?: number }>
  /** Benchmarks without prompts: score → ability, logit(score) ≈ at + slope · b, with this spread. */
  benchmarks: Record<string, { at: number; slope: number; spread: number }>
  /** Output price → ability, b ≈ at + slope · ln(dollars per million). */
  price: { at: number; slope: number }
  /** ln(output tokens) = base + z·weights + structure·weights. */
  output: { base: number; z: number[]; structure: number[] }
  caution: Caution
}

/** How unlike the training data a prompt is, and what that does to the logit. */
export type Caution = {
  /** Share of known words at which half of the trust is gone, and how steeply. */
  familiarAt: number
  familiarSlope: number
  /** Distance from the nearest kind of structure at which half of the trust is gone, and over what width. */
  far: number
  width: number
  /** On a strange prompt: how much less the text says, how much harder it is taken to be, how much more ability in general counts. */
  shrink: number
  shift: number
  widen: number
  /** Taken off the logit of a model that nothing is known of. */
  unsure: number
}

export type Weights = {
  head: Head
  /** BUCKETS × dims whole numbers, idf included. */
  table: Int8Array
  /** One byte a bucket, 255 for the rarest. */
  idf: Uint8Array
  /** The mark of the one feature that each bucket stands for. */
  lexicon: Uint16Array
  mean: Float32Array
  scale: Float32Array
  /** STRUCTURE × dims. */
  linear: Float32Array
  /** Centres of the kinds of structure that were seen. */
  kinds: Float32Array
  /** What z is before centring, so that an average prompt has z = 0. */
  centre: Float32Array
}

const MAGIC = 'FBD1'
const PARTS = ['mean', 'scale', 'linear', 'centre', 'kinds', 'lexicon', 'table', 'idf'] as const

/** The bytes of the file; the same weights give the same bytes. */
export const packWeights = (weights: Weights): Uint8Array => {
  const parts = PARTS.map((name) => weights[name])
  const sizes = parts.map((part) => part.length)
  const head = Buffer.from(JSON.stringify({ ...weights.head, sizes }))
  const padded = Buffer.alloc(Math.ceil((head.length + 8) / 4) * 4, ' ')
  padded.write(MAGIC, 0, 'latin1')
  padded.writeUInt32LE(padded.length - 8, 4)
  head.copy(padded, 8)
  return Buffer.concat([
    padded,
    ...parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength)),
  ])
}

/** Reads what `packWeights` wrote; throws on anything else. */
export const unpackWeights = (file: Uint8Array): Weights => {
  const bytes = new Uint8Array(file)
  const view = new DataView(bytes.buffer)
  const magic = Buffer.from(bytes.buffer, 0, 4).toString('latin1')
  if (magic !== MAGIC) throw new Error('data/difficulty.bin is not a weights file; run npm run train')
  const size = view.getUint32(4, true)
  const { sizes, ...head } = JSON.parse(Buffer.from(bytes.buffer, 8, size).toString('utf8')) as Head & {
    sizes: number[]
  }
  let at = 8 + size
  const take = (length: number): number => {
    at += length
    return at - length
  }
  const part = (name: (typeof PARTS)[number], width: number): [ArrayBuffer, number, number] => {
    const length = sizes[PARTS.indexOf(name)]!
    return [bytes.buffer, take(width * length), length]
  }
  return {
    head,
    mean: new Float32Array(...part('mean', 4)),
    scale: new Float32Array(...part('scale', 4)),
    linear: new Float32Array(...part('linear', 4)),
    centre: new Float32Array(...part('centre', 4)),
    kinds: new Float32Array(...part('kinds', 4)),
    lexicon: new Uint16Array(...part('lexicon', 2)),
    table: new Int8Array(...part('table', 1)),
    idf: new Uint8Array(...part('idf', 1)),
  }
}

/** The committed weights. In the package they lie beside the compiled code, at the same depth. */
export const readWeights = (): Weights =>
  unpackWeights(readFileSync(new URL('../../../data/difficulty.bin', import.meta.url)))

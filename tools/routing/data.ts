/** The routing outcomes as arrays: prompts, which models answered them well, how long the answers were. */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { Reference } from './abilities.ts'

/** One prompt with what each model made of it; NaN where nothing is known. */
export type Row = {
  id: string
  ds: string
  dom: string
  p: string
  /** Quality 0..1 by model name. */
  q: ReadonlyMap<string, number>
  /** Output tokens by model name, if the source has them. */
  o: ReadonlyMap<string, number> | undefined
  /** Near-duplicates share a group: they are never on both sides of a split. */
  group: number
}

export type DataSet = {
  models: string[]
  /** Best first: the pool a router chooses from. */
  tiers: string[]
  price_in_out_per_Mtok: Record<string, [number, number]>
  default_out_tokens: number
}
export type Manifest = Record<string, DataSet>
/** Mean quality, questions and mean output tokens by model and data set. */
export type Priors = Record<string, Record<string, { acc: number; n: number; out_tokens?: number }>>

const FOLDER = new URL('../../data/routing/', import.meta.url)

export const readManifest = (): Manifest =>
  JSON.parse(readFileSync(new URL('manifest.json', FOLDER), 'utf8')) as Manifest

export const readPriors = (): Priors =>
  JSON.parse(readFileSync(new URL('priors.json', FOLDER), 'utf8')) as Priors

type RawRow = {
  id: string
  ds: string
  dom: string
  p: string
  q: string | (number | null)[]
  o?: (number | null)[]
}

export const readRows = (manifest: Manifest): Row[] => {
  const text = gunzipSync(readFileSync(new URL('train_core.jsonl.gz', FOLDER))).toString('utf8')
  const raw = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as RawRow)
  return raw.map(({ id, ds, dom, p, q, o }) => {
    const models = manifest[ds]!.models
    return { id, ds, dom, p, q: qualities(models, q), o: o && lengths(models, o), group: fold(stemOf(p)) }
  })
}

const qualities = (models: readonly string[], q: RawRow['q']): Map<string, number> => {
  const known = new Map<string, number>()
  for (const [i, model] of models.entries()) {
    const value = q[i]
    if (value === null || value === undefined || value === '-') continue
    known.set(model, Number(value))
  }
  return known
}

const lengths = (models: readonly string[], o: (number | null)[]): Map<string, number> => {
  const known = new Map<string, number>()
  for (const [i, model] of models.entries()) {
    const value = o[i]
    if (typeof value === 'number' && value > 0) known.set(model, value)
  }
  return known
}

/** The end of the question without its options: the same question in two data sets has the same stem. */
const stemOf = (prompt: string): string => {
  const options = prompt.indexOf('\nA. ')
  const stem = options > 0 ? prompt.slice(0, options) : prompt
  return stem
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '')
    .slice(-100)
}

/** FNV-1a with a last stir: the same on every machine. */
export const fold = (text: string): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return (hash ^ (hash >>> 13)) >>> 0
}

/** Prompts in the manner of benchmarks of which only scores are known, with the scores of the labelled models. */
export const readReferences = (priors: Priors): Reference[] => {
  const { places } = JSON.parse(readFileSync(new URL('reference.json', FOLDER), 'utf8')) as {
    places: Record<string, { prompts: string[]; tools?: { count: number; depth: number } }>
  }
  return Object.entries(places).map(([name, { prompts, tools }]) => ({
    name,
    prompts,
    ...(tools && { tools }),
    scores: Object.fromEntries(
      Object.entries(priors).flatMap(([model, own]) => (own[name] ? [[model, own[name].acc]] : [])),
    ),
  }))
}

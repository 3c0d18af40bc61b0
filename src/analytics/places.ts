/** Where a call counts: the ids of the rows that hold its sums. */
import { hash } from 'node:crypto'
import { type NodeId, SITE } from '../accounts/node.ts'

/** By what calls are told apart. `child`: by the node next below; `key`: by the key. */
export const DIMS = ['total', 'model', 'host', 'chain', 'strategy', 'outcome', 'child', 'key', 'tag'] as const
export type Dim = (typeof DIMS)[number]
export type Grain = 'd' | 'h'

/** How long a call took is kept for these. */
export const TIMED: ReadonlySet<Dim> = new Set<Dim>(['total', 'model', 'host', 'strategy'])

/** What a payment's way on the chain costs and loses is kept for these: it comes later than all else, and on its own. */
export const PAID: ReadonlySet<Dim> = new Set<Dim>(['total', 'chain', 'child'])

/** What is not known, such as the model of a call that nobody answered. */
export const UNKNOWN = '-'
/** The tags beyond the first ones of a day. */
export const OTHER = 'other'

/** What of a call says where it counts. */
export type Marks = {
  /** The day and hour it was claimed in, ms. */
  at: number
  /** From the organisation down to the key; may be shorter. */
  path: readonly NodeId[]
  chain: string
  strategy: string
  tags: readonly string[]
  model: string
  host: string
  outcome: string
}

export type Place = { scope: NodeId; grain: Grain; dim: Dim; bucket: string; value: string }

/** All places of a call, its tags left out. Of users and keys less is told apart: there are too many of them. */
export const placesOf = (marks: Marks): Place[] => {
  const { at, path } = marks
  const [day, hour] = [dayOf(at), hourOf(at)]
  const key = path.find((id) => id.startsWith('key_'))
  const places: Place[] = []
  for (const [depth, scope] of scopesOf(path).entries()) {
    const put = (dim: Dim, value: string) => places.push({ scope, grain: 'd', dim, bucket: day, value })
    put('total', UNKNOWN)
    places.push({ scope, grain: 'h', dim: 'total', bucket: hour, value: UNKNOWN })
    put('model', marks.model)
    // The site tells those apart that have no account; elsewhere there is somebody or nothing below.
    const below = path[depth] ?? (depth === 0 ? UNKNOWN : undefined)
    if (below !== undefined) put('child', below)
    if (!isWide(scope)) continue
    put('host', marks.host)
    put('chain', marks.chain)
    put('strategy', marks.strategy)
    put('outcome', marks.outcome)
    if (key !== undefined) put('key', key)
  }
  return places
}

/** The site, organisations and teams are told by everything; users and keys by `NARROW`. */
export const isWide = (scope: NodeId): boolean =>
  scope === SITE || scope.startsWith('org_') || scope.startsWith('team_')

/** What users and keys are told by. */
export const NARROW: ReadonlySet<Dim> = new Set<Dim>(['total', 'model', 'child'])

/** Where what is no call counts: gas that a payout, a deposit or a claim cost. */
export const sitePlaces = (at: number, chain: string): Place[] => [
  { scope: SITE, grain: 'd', dim: 'total', bucket: dayOf(at), value: UNKNOWN },
  { scope: SITE, grain: 'h', dim: 'total', bucket: hourOf(at), value: UNKNOWN },
  { scope: SITE, grain: 'd', dim: 'chain', bucket: dayOf(at), value: chain },
]

/** The site and all nodes above a call, top down. */
export const scopesOf = (path: readonly NodeId[]): NodeId[] => [SITE, ...path]

/** The id of a row; of a value that is too long only its beginning and its hash. */
export const rowId = (place: Place): string => prefixOf(place) + written(place.value)

/** The beginning of the ids of all values of a bucket. */
export const prefixOf = ({ scope, grain, dim, bucket }: Omit<Place, 'value'>): string =>
  `${scope}/${grain}/${dim}/${bucket}/`

/** The bucket and the value of a row; `about` is what the row itself says of it. */
export const placeOf = (id: string, about?: string): { bucket: string; value: string } => {
  const [, , , bucket = '', value = ''] = id.split('/')
  return { bucket, value: about ?? decodeURIComponent(value) }
}

/** Whether the id of its row cannot hold a value. */
export const isLong = (value: string): boolean => value !== UNKNOWN && escaped(value).length > MOST

const MOST = 110

const written = (value: string): string =>
  isLong(value) ? `~${hash('sha256', value, 'hex').slice(0, 32)}` : escaped(value)

const PLAIN = /^[\w.=@:+-]*$/

// What an id must not hold is escaped, and the sign of a hash with it.
const escaped = (value: string): string =>
  PLAIN.test(value) ? value : encodeURIComponent(value.toWellFormed()).replaceAll('~', '%7E')

/** The UTC day of a time in ms: `2026-11-21`. */
export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
/** The UTC hour of a time in ms: `2026-11-21T05`. */
export const hourOf = (ms: number): string => new Date(ms).toISOString().slice(0, 13)
/** When a bucket begins, ms. */
export const startOf = (bucket: string): number =>
  Date.parse(bucket.length === 10 ? `${bucket}T00:00:00Z` : `${bucket}:00:00Z`)

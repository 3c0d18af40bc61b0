/** Fifty organisations with their teams, users and keys, and what ten million calls of theirs would have left behind. */
import { timed } from '../../src/analytics/histogram.ts'
import {
  type Dim,
  isWide,
  type Marks,
  PAID,
  type Place,
  placesOf,
  rowId,
  scopesOf,
  startOf,
  TIMED,
} from '../../src/analytics/places.ts'
import { NOTHING, packed, plus, type Sums, unpaying, untimed } from '../../src/analytics/sums.ts'
import type { Put } from '../../src/store/records.ts'

export const ORGS = 50
const TEAMS = 100
const USERS = 250
export const KEYS = 500
const MODELS = 40
const HOSTS = 10
/** Models that one key asks for, and hours of a day in which it does. */
const MODELS_OF_KEY = 6
const HOURS = 6
const STRATEGIES = ['balanced', 'cost', 'latency', 'availability']
const CHAINS = ['eip155:8453', 'eip155:137']
const DAY_MS = 86_400_000
const HOURS_KEPT = 60

const name = (kind: string, n: number): string => `${kind}_${String(n).padStart(22, '0')}`

/** The nodes above a key, the organisation first. */
export const pathOf = (key: number): string[] => {
  const user = key % USERS
  const team = user % TEAMS
  return [name('org', team % ORGS), name('team', team), name('user', user), name('key', key)]
}

/** Some calls of one key, one model and one hour. */
const someCalls = (n: number, calls: number): Sums => ({
  ...NOTHING,
  calls,
  served: calls - 1,
  partial: 1,
  charged: BigInt(calls) * 1_300n,
  cost: BigInt(calls) * 1_200n,
  flagship: BigInt(calls) * 9_000n,
  input: calls * 900,
  cached: calls * 100,
  output: calls * 250,
  gas: n % 3 === 0 ? { [CHAINS[n % 2]!]: 50_000_000_000n } : {},
  first: plus({ ...NOTHING, first: timed(200 + (n % 900)) }, { ...NOTHING, first: timed(400 + (n % 2_000)) })
    .first,
  whole: { ...timed(900 + (n % 4_000)), ...timed(2_000 + (n % 9_000)) },
})

const modelOf = (n: number): string => `lab-${(n % MODELS) % 7}/model-${n % MODELS}`

const keptAt = (dim: Dim, sums: Sums, bare: Sums): Sums =>
  PAID.has(dim) ? (TIMED.has(dim) ? sums : bare) : unpaying(TIMED.has(dim) ? sums : bare)

/** The rows of one day, the newest being day 0: what the follower would have written for `perDay` calls. */
export const rowsOfDay = (
  today: number,
  day: number,
  perDay: number,
  wanted: (scope: string) => boolean,
): Put[] => {
  const rows = new Map<string, { place: Place; sums: Sums }>()
  const calls = Math.round(perDay / KEYS / HOURS)
  for (let key = 0; key < KEYS; key++)
    for (let part = 0; part < HOURS; part++) {
      const n = key * 31 + day * 17 + part
      const marks: Marks = {
        at: today - day * DAY_MS + (8 + 2 * part) * 3_600_000,
        path: pathOf(key),
        chain: CHAINS[key % 2]!,
        strategy: STRATEGIES[part % 4]!,
        tags: [],
        model: modelOf(key + (part % MODELS_OF_KEY)),
        host: `host-${(key + part) % HOSTS}`,
        outcome: part === 5 ? 'partial' : 'served',
      }
      const sums = someCalls(n, calls)
      const bare = untimed(sums)
      const tag = `team=${key % 30}`
      const places = placesOf(marks)
      const day10 = places[0]!.bucket
      for (const scope of scopesOf(marks.path).filter(isWide))
        places.push({ scope, grain: 'd', dim: 'tag', bucket: day10, value: tag })
      for (const place of places) {
        if (!wanted(place.scope) || (place.grain === 'h' && day >= HOURS_KEPT)) continue
        const id = rowId(place)
        const before = rows.get(id)
        rows.set(id, { place, sums: plus(before?.sums ?? NOTHING, keptAt(place.dim, sums, bare)) })
      }
    }
  return [...rows].map(([id, { place, sums }]) => ({
    table: 'rollups',
    id,
    value: packed(sums),
    if: 0,
    ...(place.grain === 'h' && { until: startOf(place.bucket) + (HOURS_KEPT + 1) * DAY_MS }),
  }))
}

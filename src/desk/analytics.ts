/** Operations that tell what calls came to: sums, days, who spent most, and the same as CSV. */
import { z } from 'zod'
import { SITE } from '../accounts/node.ts'
import { may } from '../accounts/roles.ts'
import { placeNow } from '../analytics/follower.ts'
import { DIMS, type Dim, type Grain, isWide, NARROW } from '../analytics/places.ts'
import {
  before,
  bucketsOf,
  daysOf,
  lately,
  MEASURES,
  type Measure,
  type Period,
  series,
  summary,
  top,
  type UsdOfGas,
} from '../analytics/query.ts'
import { type Cell, createReader, type Reader, readBuckets } from '../analytics/read.ts'
import { fail } from '../errors.ts'
import { csvOf, isOfBooks, shownOf } from './analytics-shown.ts'
import type { Download } from './audit.ts'
import { type Operations, reading, type Scene } from './desk.ts'
import { namesOf } from './list.ts'

const day = z.iso.date('a UTC day such as 2026-11-21').optional()

const asked = {
  at: z
    .string()
    .max(200)
    .default(SITE)
    .meta({ description: 'An organisation, a team, a user or a key; `site` for all calls.' }),
  from: day.meta({ description: 'First UTC day; 29 days before `to` when left out.' }),
  to: day.meta({ description: 'Last UTC day, included; today when left out.' }),
}
const grain = z.enum(['day', 'hour']).default('day')
const dims = DIMS.filter((dim) => dim !== 'total')
const by = z.enum(dims).meta({
  description: '`child` is by what stands right below: organisations, teams, users, keys.',
})
const measures = Object.keys(MEASURES) as [Measure, ...Measure[]]

/** Days of one question, and of one that is told by the hour. */
const MOST_DAYS = 400
const MOST_HOURLY_DAYS = 31
const USUAL_DAYS = 30

/** What `analytics.*` do. Figures of the router's own books are told to those who may read money at the site. */
export const analyticsOperations = ({ usdOfGas }: { usdOfGas?: UsdOfGas } = {}): Operations =>
  operations(usdOfGas, asking(createReader()))

const operations = (usdOfGas: UsdOfGas | undefined, read: Asker): Operations => ({
  'analytics.summary': reading({
    summary: 'What the calls of a node came to in some days, and in as many days before.',
    needs: 'analytics.read',
    input: z.strictObject(asked),
    at: ({ at }) => at,
    run: async (scene, wish) => {
      const period = periodOf(scene, wish)
      const show = shownOf(seesBooks(scene), usdOfGas)
      const [now, earlier, place] = await Promise.all([
        read(scene, 'd', 'total', period),
        read(scene, 'd', 'total', before(period)),
        placeNow(scene.records),
      ])
      return {
        ...period,
        ...show(summary(now)),
        before: { ...before(period), ...show(summary(earlier)) },
        /** When the last journal line was written that counts here. */
        asOf: place ? new Date(place.at).toISOString() : null,
        complete: place?.clearing !== true,
      }
    },
  }),
  'analytics.series': reading({
    summary: 'The same for each day or hour; what had no call is there and nothing.',
    needs: 'analytics.read',
    input: z.strictObject({ ...asked, grain }),
    at: ({ at }) => at,
    run: async (scene, wish) => {
      const period = periodOf(scene, wish, wish.grain)
      const show = shownOf(seesBooks(scene), usdOfGas)
      const cells = await read(scene, wish.grain === 'hour' ? 'h' : 'd', 'total', period)
      const points = series(cells, period, wish.grain === 'hour' ? 'h' : 'd')
      return {
        ...period,
        grain: wish.grain,
        points: points.map(({ bucket, sums }) => ({ at: bucket, ...show(sums) })),
      }
    },
  }),
  'analytics.top': reading({
    summary:
      'The models, hosts, chains, strategies, outcomes, tags, keys or nodes with the most of a figure.',
    needs: 'analytics.read',
    input: z.strictObject({
      ...asked,
      by,
      sort: z.enum(measures).default('spend'),
      limit: z.coerce.number().int().min(1).max(1_000).default(10),
    }),
    at: ({ at }) => at,
    run: async (scene, wish) => {
      const period = periodOf(scene, wish)
      const books = seesBooks(scene)
      if (!books && isOfBooks(wish.sort)) throw fail('forbidden', { needs: 'money.read' })
      const show = shownOf(books, usdOfGas)
      const { values, rest } = top(await read(scene, 'd', wish.by, period), wish.sort, wish.limit)
      const names = await named(
        scene,
        values.map(({ value }) => value),
        wish.by,
      )
      return {
        ...period,
        by: wish.by,
        sort: wish.sort,
        values: values.map(({ value, sums }) => ({
          value,
          ...(names.has(value) && { name: names.get(value) }),
          ...show(sums),
        })),
        rest: { values: rest.values, ...show(rest.sums) },
      }
    },
  }),
  'analytics.csv': reading({
    summary: 'Days or hours as CSV, with `by` each value of each day.',
    needs: 'analytics.read',
    input: z.strictObject({ ...asked, by: by.optional(), grain }),
    at: ({ at }) => at,
    run: async (scene, wish): Promise<Download> => {
      if (wish.by !== undefined && wish.grain === 'hour')
        throw fail('invalid_request', {
          problem: 'grain: hours are not told apart by anything',
          param: 'grain',
        })
      const period = periodOf(scene, wish, wish.grain)
      const short = wish.grain === 'hour' ? 'h' : 'd'
      const cells = await read(scene, short, wish.by ?? 'total', period)
      const rows = wish.by
        ? cells
        : series(cells, period, short).map(({ bucket, sums }) => ({ bucket, value: '', sums }))
      const names = await named(
        scene,
        rows.map(({ value }) => value),
        wish.by,
      )
      return {
        file: `analytics-${wish.by ?? wish.grain}-${period.from}-${period.to}.csv`,
        type: 'text/csv; charset=utf-8',
        text: csvOf(rows, { by: wish.by, names, books: seesBooks(scene), usdOfGas }),
        next: null,
      }
    },
  }),
})

const seesBooks = ({ actor }: Scene): boolean => may(actor, 'money.read', []) === 'yes'

const periodOf = (
  { clock }: Scene,
  { from, to }: { from?: string | undefined; to?: string | undefined },
  per: 'day' | 'hour' = 'day',
): Period => {
  const last = to ?? lately(clock.now(), 1).to
  const period = { from: from ?? lately(Date.parse(last), USUAL_DAYS).from, to: last }
  const days = daysOf(period)
  const most = per === 'hour' ? MOST_HOURLY_DAYS : MOST_DAYS
  if (days < 1) throw fail('invalid_request', { problem: 'from: it is after to', param: 'from' })
  if (days > most)
    throw fail('invalid_request', { problem: `from: at most ${most} days by the ${per}`, param: 'from' })
  return period
}

type Asker = (scene: Scene, grain: Grain, dim: Dim, period: Period) => Promise<Cell[]>

const asking =
  (days: Reader): Asker =>
  async ({ node, records }, short, dim, period) => {
    const scope = node?.id ?? SITE
    // Right below a user are its keys.
    const kept = dim === 'key' && node?.level === 'user' ? 'child' : dim
    if (!isWide(scope) && !NARROW.has(kept))
      throw fail('invalid_request', {
        problem: `by: of users and keys only ${[...NARROW].filter((one) => one !== 'total').join(' and ')} are kept`,
        param: 'by',
      })
    const buckets = bucketsOf(period, short)
    if (short === 'd') return days(records, { scope, dim: kept }, buckets)
    return readBuckets(records, { scope, grain: short, dim: kept }, buckets[0]!, buckets.at(-1)!)
  }

/** What nodes are called, where the values are nodes. */
const named = async (
  scene: Scene,
  values: readonly string[],
  dim: Dim | undefined,
): Promise<ReadonlyMap<string, string>> =>
  dim === 'child' || dim === 'key' ? namesOf(scene, values) : new Map()

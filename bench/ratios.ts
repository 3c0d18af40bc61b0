import type { Row } from './book.ts'
import { PAID, type PaidWay, WAYS, X402 } from './rounds/paid.ts'
import { SLOW } from './rounds/slow.ts'
import { STEADY } from './rounds/steady.ts'
import { median } from './stats.ts'

/** What the aims are about: aim, what was measured, what it is, and of which values. */
export const ratios = (rows: readonly Row[]): string[][] => {
  const x402 = best(rows, 'json', '@x402/hono paid')
  const portkey = best(rows, 'json', 'Portkey')
  const paid = best(rows, 'json', 'Farebox paid')
  const credit = best(rows, 'json', 'Farebox on credit')
  const asked = best(rows, 'json', 'Farebox 402')
  const slow = best(rows, 'json, 1 s blocks', '@x402/hono paid')
  const fast = best(rows, 'json, 1 s blocks', 'Farebox paid')
  return [
    ...(['voucher', 'exact'] as const).map((way) => perSecond(rows, way)),
    ...WAYS.map((way) => firstByteWithin(rows, way)),
    ratio(
      '≥ 40 ×',
      'Farebox paid calls/s, of @x402/hono’s (one block a transaction, its best case)',
      paid,
      x402,
    ),
    ratio('', 'the same with a block every second', fast, slow),
    ratio('≥ 4 ×', 'Farebox calls/s paid from credit, of Portkey’s unpaid pass-through', credit, portkey),
    ratio('≥ 4 ×', 'Farebox 402s/s, of Portkey’s unpaid pass-through', asked, portkey),
    ratio(
      '≥ 5 ×',
      'Farebox streams/s paid from credit, of Portkey’s',
      best(rows, 'sse', 'Farebox on credit'),
      best(rows, 'sse', 'Portkey'),
    ),
    ...(['Farebox on credit', PAID.voucher, PAID.exact] as const).map((who) => steadyAdded(rows, who)),
    ratio('', 'Farebox paid calls/s, settled on the chain, of Portkey’s unpaid pass-through', paid, portkey),
    cpuRatio('CPU of an @x402/hono paid call, of a Farebox paid call’s', x402, paid),
    cpuRatio('CPU of a Portkey call, of a Farebox call’s paid from credit', portkey, credit),
    ...([1, 16] as const).flatMap((c) => {
      const added = firstByteAdded(rows, 'Farebox paid', c)
      return added === undefined
        ? []
        : [['< 5 ms', `first byte added by Farebox, paid, c=${c}`, `${added.toFixed(2)} ms`, '']]
    }),
  ].filter((row) => row.length > 0)
}

const ratio = (aim: string, what: string, one: Row | undefined, other: Row | undefined): string[] => {
  if (!one || !other) return []
  const values = `${one.perSecond.toFixed(0)} (c=${one.c}) / ${other.perSecond.toFixed(0)} (c=${other.c})`
  return [aim, what, `${(one.perSecond / other.perSecond).toFixed(1)} ×`, values]
}

// Both at their best concurrency; steadier than calls/s where a machine has other work.
const cpuRatio = (what: string, one: Row | undefined, other: Row | undefined): string[] => {
  if (!one?.cpuMs || !other?.cpuMs) return []
  return [
    '',
    what,
    `${(one.cpuMs / other.cpuMs).toFixed(1)} ×`,
    `${one.cpuMs.toFixed(2)} ms / ${other.cpuMs.toFixed(2)} ms`,
  ]
}

/** First byte added to the direct path, ms at the median: round by round, so that what disturbs one disturbs both. */
export const firstByteAdded = (rows: readonly Row[], who: string, c: number): number | undefined => {
  const of = (name: string) => rows.find((row) => row.load === 'sse paced' && row.who === name && row.c === c)
  const [mine, direct] = [of(who), of('direct')]
  if (!mine || !direct) return undefined
  return median(
    mine.rounds.map((one, i) => one.firstByte - (direct.rounds[i]?.firstByte ?? direct.firstByte)),
  )
}

const ADDED_AIM_MS = 1

const steadyAdded = (rows: readonly Row[], who: string): string[] => {
  const of = (name: string) => rows.find((row) => row.load === STEADY && row.who === name)
  const [mine, direct] = [of(who), of('direct')]
  if (!mine || !direct) return []
  const added = mine.p50 - direct.p50
  const is = `${added.toFixed(2)} ms, ${verdict(added < ADDED_AIM_MS)}`
  return [
    `< ${ADDED_AIM_MS} ms`,
    `${who}, p50 added at 150 calls/s`,
    is,
    `${direct.p50.toFixed(2)} ms direct`,
  ]
}

const CALLS_AIM = 4_000
const FIRST_BYTE_AIM_MS = 200

const perSecond = (rows: readonly Row[], way: PaidWay): string[] => {
  const row = best(rows, 'json', PAID[way])
  if (!row) return []
  const is = `${row.perSecond.toFixed(0)}/s, ${verdict(row.perSecond >= CALLS_AIM)}`
  return [`≥ ${CALLS_AIM}/s`, `${PAID[way]}, calls/s on one core`, is, `c=${row.c}`]
}

const firstByteWithin = (rows: readonly Row[], way: PaidWay): string[] => {
  const of = (who: string) => rows.find((row) => row.load === SLOW && row.who === who)
  const [mine, stock] = [of(PAID[way]), of(X402.exact)]
  if (!mine) return []
  const is = `${mine.firstByte.toFixed(1)} ms, ${verdict(mine.firstByte < FIRST_BYTE_AIM_MS)}`
  const what = `${PAID[way]}, first byte with a block every 2 s`
  return ['no wait', what, is, stock ? `@x402/hono ${stock.firstByte.toFixed(0)} ms` : '']
}

export const verdict = (met: boolean): string => (met ? 'met' : 'missed')

/** One row by scheme: calls/s by concurrency, CPU, first byte with slow blocks, and how that compares with the stock `exact`. */
export const bySchemes = (rows: readonly Row[]): string[][] => {
  const stock = best(rows, 'json', X402.exact)
  const named = [
    ...WAYS.map((way) => [SCHEME[way], PAID[way]]),
    ['@x402/hono exact', X402.exact],
    ['@x402/hono upto', X402.upto],
  ]
  return named.flatMap(([scheme, who]) => {
    const top = best(rows, 'json', who!)
    if (!top) return []
    const at = (c: number) =>
      rows.find((row) => row.load === 'json' && row.who === who && row.c === c)?.perSecond.toFixed(0) ?? ''
    const slow = rows.find((row) => row.load === SLOW && row.who === who)
    return [
      [
        scheme!,
        at(1),
        at(16),
        at(64),
        top.cpuMs?.toFixed(2) ?? '',
        stock ? (top.perSecond / stock.perSecond).toFixed(1) : '',
        stock?.cpuMs && top.cpuMs ? (stock.cpuMs / top.cpuMs).toFixed(1) : '',
        top.nodeRequests?.toFixed(3) ?? '',
        slow ? slow.firstByte.toFixed(1) : '',
      ],
    ]
  })
}

const SCHEME: Readonly<Record<PaidWay, string>> = {
  exact: 'exact, EIP-3009',
  permit2: 'exact, Permit2',
  upto: 'upto',
  voucher: 'batch-settlement, vouchers',
}

/** The best row of a contestant over its concurrencies. */
const best = (rows: readonly Row[], load: string, who: string): Row | undefined =>
  rows.filter((row) => row.load === load && row.who === who).toSorted((a, b) => b.perSecond - a.perSecond)[0]

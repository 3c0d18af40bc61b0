import type { Row } from './book.ts'
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
    ratio(
      '≥ 40 ×',
      'Farebox paid calls/s, of @x402/hono’s (one block a transaction, its best case)',
      paid,
      x402,
    ),
    ratio('', 'the same with a block every second', fast, slow),
    ratio('≥ 4 ×', 'Farebox calls/s paid from credit, of Portkey’s unpaid pass-through', credit, portkey),
    ratio('', 'Farebox paid calls/s, settled on the chain, of Portkey’s unpaid pass-through', paid, portkey),
    ratio('', 'Farebox 402s/s, of Portkey’s unpaid pass-through', asked, portkey),
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

/** The best row of a contestant over its concurrencies. */
const best = (rows: readonly Row[], load: string, who: string): Row | undefined =>
  rows.filter((row) => row.load === load && row.who === who).toSorted((a, b) => b.perSecond - a.perSecond)[0]

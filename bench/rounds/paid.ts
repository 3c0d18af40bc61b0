import { type Book, sampleOf } from '../book.ts'
import { JSON_HEADERS, PAY_TO, requestBody } from '../farebox.ts'
import { type Headers, inTurns, offerIn, pay, presign, separatorOf } from '../payments.ts'
import { X402_PAY_TO } from '../peers.ts'
import type { Job, Shots } from '../shoot.ts'
import type { Payer, World } from '../world.ts'
import { type Cast, CHAT, settled } from './cast.ts'

/** What became of the money: how long after the last answer all was settled, and what it cost the process in all. */
export type Tail = {
  who: string
  c: number
  calls: number
  settledAfterMs: number
  cpuMsWithSettlement: number
}
/** Payments made, transfers in the ledger, transfers on the chain, and those found in only one of the two. */
export type Reconciled = { paid: number; booked: number; onChain: number; differ: number }

const X402_CALLS = 100

/** Calls paid by @x402/hono's `exact`; every one settles on the chain before it is answered. */
export const x402Round = async (
  { world, x402, payers }: Cast,
  book: Book,
  c: number,
  load = 'json',
  calls = X402_CALLS,
): Promise<void> => {
  if (!x402) return
  const job = { url: `${x402.url}${CHAT}`, body: requestBody('mock'), headers: JSON_HEADERS, concurrency: c }
  const each = await x402Payments(world, job.url, inTurns(payers, calls))
  book.add(load, '@x402/hono paid', c, await sampleOf(200, () => shootX402(world, { ...job, each }), x402))
}

/** Fires at the stock middleware, which now and then refuses a good payment under load: those are counted, not fatal. */
export const shootX402 = async (world: World, job: Job): Promise<Shots> => {
  const shots = await world.shoot(job)
  world.tally.x402 += shots.answers[200]?.count ?? 0
  return shots
}

/** Signs authorizations for the one price that the stock middleware has. */
export const x402Payments = async (
  world: World,
  url: string,
  payers: readonly Payer[],
): Promise<Headers[]> => {
  const ask = {
    url,
    body: requestBody('mock'),
    headers: JSON_HEADERS,
    concurrency: 1,
    each: [{}],
    keep: 'payment-required',
  }
  const offer = offerIn((await world.fire(ask, 402)).kept[0]!)
  const separator = separatorOf(world.asset)
  const headers: Headers[] = []
  for (const payer of payers) headers.push(await pay(offer, payer, separator))
  return headers
}

export type PaidLoad = { c: number; calls: number; who?: string; load?: string; payers?: readonly Payer[] }

/** Calls paid by Farebox's `exact`, quoted and signed beforehand; then waits until the last of them is settled. */
export const paidRound = async (cast: Cast, book: Book, wanted: PaidLoad): Promise<Tail> => {
  const { world, farebox } = cast
  const { c, calls, who = 'Farebox paid', load = 'json', payers = cast.payers } = wanted
  const job = {
    url: `${farebox.url}${CHAT}`,
    body: requestBody('bench/small'),
    headers: JSON_HEADERS,
    concurrency: c,
  }
  const each = await presign(world, { ...job, payers: inTurns(payers, calls) })
  const before = await farebox.cpuMs()
  const sample = await sampleOf(200, () => world.fire({ ...job, each }, 200), farebox)
  const settledAfterMs = await settled(farebox)
  book.add(load, who, c, sample)
  return { who, c, calls, settledAfterMs, cpuMsWithSettlement: ((await farebox.cpuMs()) - before) / calls }
}

/** Compares Farebox's ledger with the chain, transfer by transfer. */
export const reconcileAll = async ({ world, farebox }: Cast): Promise<Reconciled> => {
  const { chain, address } = world.asset
  const booked = new Set(await farebox.ask<string[]>('transfers', `${chain}/${address}`))
  const found = new Set<string>(await world.transfersTo(PAY_TO))
  const both = [...booked].filter((one) => found.has(one)).length
  const differ = booked.size + found.size - 2 * both
  return { paid: world.tally.paid, booked: booked.size, onChain: found.size, differ }
}

/** Answers of 200 and transfers of the stock middleware: more transfers are calls that were paid for and not given. */
export const reconcileX402 = async ({ world }: Cast): Promise<{ answered: number; transfers: number }> => ({
  answered: world.tally.x402,
  transfers: (await world.transfersTo(X402_PAY_TO)).length,
})

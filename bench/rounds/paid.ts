import { type Book, sampleOf } from '../book.ts'
import { signVouchers } from '../channels.ts'
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

const X402_CALLS = 60

/** The rows of the stock middleware, by scheme. */
export const X402 = { exact: '@x402/hono paid', upto: '@x402/hono paid, upto' } as const

/** The rows of Farebox, by what its payers sign. */
export const PAID = {
  exact: 'Farebox paid',
  permit2: 'Farebox paid, Permit2',
  upto: 'Farebox paid, upto',
  voucher: 'Farebox paid, voucher',
} as const
export type PaidWay = keyof typeof PAID
export const WAYS = Object.keys(PAID) as PaidWay[]

/** Calls paid at @x402/hono; every one settles on the chain before it is answered. */
export const x402Round = async (
  { world, x402, payers }: Cast,
  book: Book,
  c: number,
  load = 'json',
  calls = X402_CALLS,
  way: 'exact' | 'upto' = 'exact',
): Promise<void> => {
  if (!x402) return
  const job = { url: `${x402.url}${CHAT}`, body: requestBody('mock'), headers: JSON_HEADERS, concurrency: c }
  const each = await x402Payments(world, job.url, inTurns(payers, calls), way)
  book.add(load, X402[way], c, await sampleOf(200, () => shootX402(world, { ...job, each }), x402))
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
  way: 'exact' | 'upto' = 'exact',
): Promise<Headers[]> => {
  const ask = {
    url,
    body: requestBody('mock'),
    headers: JSON_HEADERS,
    concurrency: 1,
    each: [{}],
    keep: 'payment-required',
  }
  const offer = offerIn((await world.fire(ask, 402)).kept[0]!, way)
  const separator = separatorOf(world.asset)
  const headers: Headers[] = []
  for (const payer of payers)
    headers.push({ ...(await pay(offer, payer, separator)), ...(way === 'upto' && { 'bench-upto': '1' }) })
  return headers
}

export type PaidLoad = {
  c: number
  calls: number
  way?: PaidWay
  who?: string
  load?: string
  payers?: readonly Payer[]
}

/** Calls paid at Farebox, quoted and signed beforehand; then waits until the last of them is settled. */
export const paidRound = async (cast: Cast, book: Book, wanted: PaidLoad): Promise<Tail> => {
  const { world, farebox } = cast
  const { c, calls, way = 'exact', who = PAID[way], load = 'json' } = wanted
  const job = {
    url: `${farebox.url}${CHAT}`,
    body: requestBody('bench/small'),
    headers: JSON_HEADERS,
    concurrency: c,
  }
  const each = await payments(cast, { ...wanted, ...job, way })
  const [before, asked] = [await farebox.cpuMs(), await farebox.ask<number>('nodeRequests')]
  const sample = await sampleOf(200, () => world.fire({ ...job, each }, 200), farebox)
  const nodeRequests = (await farebox.ask<number>('nodeRequests')) - asked
  const settledAfterMs = await settled(farebox)
  book.add(load, who, c, { ...sample, nodeRequests: nodeRequests / calls })
  return { who, c, calls, settledAfterMs, cpuMsWithSettlement: ((await farebox.cpuMs()) - before) / calls }
}

export type Bought = { url: string; body: string; calls: number; way: PaidWay; payers?: readonly Payer[] }

/** Payments for so many calls, signed, whatever the scheme. */
export const payments = (cast: Cast, { url, body, calls, way, payers }: Bought): Promise<Headers[]> =>
  way === 'voucher'
    ? signVouchers(cast.world, cast.channels!, { url, body, calls })
    : presign(cast.world, { url, body, payers: inTurns(payers ?? cast.payers, calls), way })

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

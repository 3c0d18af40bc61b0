/**
 * Crowds at the doors of a fleet: one payment shown everywhere at once, many payers on one settler, one payer beyond its
 * funds, more calls than are risked unpaid. Each returns what the chain, the provider and the clients saw.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LocalAccount } from 'viem'
import { rpc } from '../../src/cli/demo/localnet.ts'
import type { Requirement } from '../../src/wire/payment.ts'
import { header, offerOf, offersOf, post, signOffer } from '../support/pay.ts'
import { hello } from '../support/world.ts'
import { atRest } from './audit.ts'
import { noncesOf, watchTill } from './chain.ts'
import { ask, each, order, type Payment, show } from './load.ts'
import { judge, type Verdict } from './oracle.ts'
import { type FleetSite, fund } from './site.ts'
import { PRICE } from './upstream.ts'

export type Storm = {
  verdict: Verdict
  /** How many answers there were of each kind: a status, or a status and its code. */
  answers: Record<string, number>
  /** Requests that the provider got. */
  asked: number
  /** Units that moved. */
  moved: bigint
  /** What was still under way when the storm had to be judged. */
  open: string[]
  /** Nonces of the settler's transactions in blocks. */
  nonces: number[]
}

const REST_MS = 120_000
/** Requests that are on their way at once: a client has only so many ports. */
const LANES = 400

/** Shows one payment `times` times at once. */
export const onePayment = (site: FleetSite, times: number): Promise<Storm> =>
  storm(site, async (name) => {
    const [account] = await fund(site, 1)
    const payment = await order({
      chat: site.fleet.chat,
      account: account!,
      way: 'exact-3009',
      stream: false,
      tag: `tag-${name}-0`,
    })
    const all = Array.from({ length: times }, () => payment)
    await each(all, times, async (one) => void (await show(site.fleet.chat, one)))
    return [payment]
  })

/** So many payers at once, each with a payment of its own. */
export const manyPayers = (site: FleetSite, payers: number): Promise<Storm> =>
  storm(site, async (name) => {
    const accounts = await fund(site, payers)
    const payments = await signAll(site, accounts, name)
    await showAll(site, payments)
    return payments
  })

/** So many payments of one payer at once, which has money for `funded` of them. */
export const onePayer = (site: FleetSite, payments: number, funded: number): Promise<Storm> =>
  storm(
    site,
    async (name) => {
      const amount = BigInt((await offerAt(site, `tag-${name}-x`)).amount)
      const [account] = await fund(site, 1, { units: amount * BigInt(funded) })
      const all = await signAll(
        site,
        Array.from({ length: payments }, () => account!),
        name,
      )
      await showAll(site, all)
      return all
    },
    true,
  )

const storm = async (
  site: FleetSite,
  work: (name: string) => Promise<Payment[]>,
  short = false,
): Promise<Storm> => {
  const name = randomBytes(4).toString('hex')
  const place = { url: site.net.url, token: site.token, since: await blockOf(site) }
  const before = site.upstream.asked.length
  const till = watchTill(place)
  try {
    const shown = await work(name)
    const open = await atRest(site.store(), REST_MS)
    await each(shown, 16, (one) => ask(site.fleet.url, one).catch(() => {}))
    // The last block is noticed a moment after it is made.
    await sleep(400)
    const moved = await till.moved()
    const asked = site.upstream.asked.slice(before)
    const verdict = judge({ moved, asked, shown, price: PRICE, limit: site.limit, lost: false, short })
    return {
      verdict,
      answers: countOf(shown),
      asked: asked.length,
      moved: moved.reduce((sum, one) => sum + one.units, 0n),
      open,
      nonces: await noncesOf(place, site.settler),
    }
  } finally {
    await till.stop()
  }
}

const blockOf = async ({ net }: FleetSite): Promise<number> => {
  const height = () => rpc<string>(net.url, 'eth_blockNumber')
  // A connection that was idle may be closed at the moment when it is used.
  return Number(await height().catch(height))
}

const bodyOf = (tag: string) =>
  hello({ messages: [{ role: 'user', content: `Say hello. ${tag}` }], stream: false })

const offerAt = async ({ fleet }: FleetSite, tag: string): Promise<Requirement> => {
  const quoted = () => post(fleet.chat, bodyOf(tag))
  const answer = await quoted().catch(quoted)
  const offer = offerOf(offersOf(answer), 'exact', { method: 'eip3009' })
  await answer.body?.cancel()
  return offer
}

/** Gets a price for each and signs it, before anybody pays. */
const signAll = async (
  site: FleetSite,
  accounts: readonly LocalAccount[],
  name: string,
): Promise<Payment[]> => {
  const payments: Payment[] = []
  await each(accounts, 16, async (account, i) => {
    const tag = `tag-${name}-${i}`
    const signed = await signOffer(account, await offerAt(site, tag))
    payments.push({
      tag,
      payer: account.address.toLowerCase(),
      way: 'exact-3009',
      nonce: signed.payload.authorization.nonce.toLowerCase(),
      signed: BigInt(signed.accepted.amount),
      stream: false,
      words: [],
      body: bodyOf(tag),
      headers: { 'payment-signature': header(signed) },
    })
  })
  return payments
}

/** Everybody at once; who is not heard for a moment shows the same payment again. */
const showAll = (site: FleetSite, payments: readonly Payment[]): Promise<void> =>
  each(payments, LANES, async (one) => {
    for (let tries = 0; tries < 20; tries++) {
      const { status, code } = await show(site.fleet.chat, one)
      if (status !== 0 && status !== 503 && code !== 'payment_in_flight' && code !== 'balancer') return
      await sleep(200)
    }
  })

const countOf = (shown: readonly Payment[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const { words } of shown)
    for (const { status, code } of words) {
      const key = code === undefined ? `${status}` : `${status} ${code}`
      counts[key] = (counts[key] ?? 0) + 1
    }
  return counts
}

/** Whether numbers follow each other without a gap and without a repetition. */
export const isGapless = (nonces: readonly number[]): boolean =>
  nonces.toSorted((a, b) => a - b).every((nonce, i, all) => i === 0 || nonce === all[i - 1]! + 1)

import { generatePrivateKey } from 'viem/accounts'
import { type Facts, rank } from '../../src/client/choose.ts'
import type { Demand } from '../../src/client/demand.ts'
import {
  type PayingEvent,
  type PayingFetchOptions,
  payingFetch,
  walletFromKey,
} from '../../src/client/index.ts'
import { type Policy, readPolicy } from '../../src/client/policy.ts'
import { type Ask, jumpingClock, TOKENS } from './router.ts'

/** A client with a new key that may pay with the test token, and everything it told. */
export const newBuyer = (options: Partial<PayingFetchOptions> = {}) => {
  const events: PayingEvent[] = []
  const wallet = walletFromKey(generatePrivateKey())
  const { policy, ...rest } = options
  const pay = payingFetch({
    wallet,
    clock: jumpingClock(),
    onEvent: (event) => events.push(event),
    policy: { assets: TOKENS, ...policy },
    ...rest,
  })
  return { pay, events, wallet, types: () => events.map((event) => event.type) }
}

/** A body that is no chat request of ours, so that receipts need not know its digest. */
export const body = (text = 'Hi') => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ text }),
})

/** The different signatures that these requests showed. */
export const signatures = (asks: readonly Ask[]): number => new Set(asks.map((ask) => ask.paid?.header)).size

/** The best offer by a policy, or why there is none. */
export const judge = (policy: Policy, demand: Demand, facts: Partial<Facts> = {}) => {
  const all: Facts = { deposit: undefined, tried: [], isShort: () => false, ...facts }
  const ranked = rank(readPolicy(policy), 'https://x/', demand, all)
  return ranked.ok ? { ok: true as const, ...ranked.candidates[0]! } : ranked
}

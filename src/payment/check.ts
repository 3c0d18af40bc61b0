import type { Hex } from '../assets.ts'
import { assetKey } from '../assets.ts'
import type { Chain } from '../chain/chain.ts'
import { curve } from '../chain/signatures.ts'
import { transferData } from '../chain/transaction.ts'
import { authorizationDigest, domainSeparator } from '../chain/typed-data.ts'
import type { Clock } from '../clock.ts'
import { fail } from '../errors.ts'
import type { Call } from '../ledger/call.ts'
import { bookOf, COUNTER } from '../ledger/moves.ts'
import type { Till } from '../quote/offers.ts'
import type { Agreed } from './terms.ts'

/** Picks the agreement whose authorization the payer really signed; refuses when none. Offline: no chain is asked. */
export const createSignatureCheck = (tills: readonly Till[]) => {
  const separators = new Map(tills.map(({ asset }) => [assetKey(asset), domainSeparator(asset)]))
  return async (candidates: readonly Agreed[]): Promise<Agreed> => {
    for (const agreed of candidates) {
      const { authorization, till } = agreed
      const digest = authorizationDigest(separators.get(assetKey(till.asset))!, authorization)
      const signer = await curve.recover(digest, authorization.signature)
      if (signer === authorization.from) return agreed
    }
    throw fail('payment_signature_invalid')
  }
}

export type FundsCheck = (call: Call, counters: Readonly<Record<string, bigint>>) => Promise<void>

const FRESH_MS = 15_000
const REMEMBERED = 50_000

/**
 * Asks the chain whether a payer can pay: balance for all its open calls, authorization unused, no contract. A payer
 * that has paid before and whose balance was read in the last 15 s is not asked about again: its claim is ours alone,
 * and what it could cheat us of is bounded by the exposure limits either way. A call that settles first is always
 * checked, and tried out: its transaction costs us gas even when it fails.
 */
export const createFundsCheck = (facts: {
  chainOf: (call: Call) => Chain
  /** Brings the settlements of a chain up to date: what has moved on it no longer needs to be covered. */
  refresh: (call: Call) => Promise<void>
  counter: (name: string) => Promise<bigint>
  clock: Clock
}): FundsCheck => {
  const { chainOf, refresh, counter, clock } = facts
  const seen = new Map<string, { balance: bigint; at: number }>()

  const remember = (key: string, balance: bigint) => {
    seen.delete(key)
    seen.set(key, { balance, at: clock.now() })
    if (seen.size > REMEMBERED) seen.delete(seen.keys().next().value!)
  }

  return async (call, counters) => {
    if (call.signed === 0n) return
    const key = `${bookOf(call)} ${call.payer}`
    const signed = COUNTER.signed(bookOf(call), call.payer)
    const open = counters[signed] ?? call.signed
    const known = seen.get(key)
    const paidBefore = (counters[COUNTER.settled(call.payer)] ?? 0n) > 0n
    if (
      !call.settleFirst &&
      paidBefore &&
      known &&
      clock.now() - known.at < FRESH_MS &&
      known.balance >= open
    )
      return

    const read = async (): Promise<bigint> => {
      const { balance, used, isContract } = await chainOf(call).payer(call.token, call.payer, call.nonce)
      if (isContract) throw fail('payer_is_contract')
      if (used) throw fail('authorization_used')
      remember(key, balance)
      return balance
    }
    let balance = await read()
    let required = open
    if (balance < required && required > call.signed) {
      // Open calls may have settled since the last look: their money has left the balance and needs no cover.
      await refresh(call)
      required = await counter(signed)
      balance = await read()
    }
    if (balance < required) throw fail('insufficient_funds', { balance, required })
    if (!call.settleFirst) return
    const data = transferData({ ...call, from: call.payer, to: call.payTo, value: call.signed })
    if (await chainOf(call).reverts(call.token, data)) {
      throw fail('settlement_failed', { why: 'the token refuses the transfer' })
    }
  }
}

/** The one thing an authorization can be used for once: (chain, token, payer, nonce). */
export const claimKey = (asset: { chain: string; address: Hex }, payer: Hex, nonce: Hex): string =>
  `${asset.chain}/${asset.address}:${payer}:${nonce}`

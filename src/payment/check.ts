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
 * that has paid before is not asked about again for 15 s, as long as it spends no more than the balance had to spare
 * then: its claim is ours alone, and what it could cheat us of is bounded by the exposure limits either way. A call that
 * settles first is always checked, and tried out: its transaction costs us gas even when it fails.
 */
export const createFundsCheck = (facts: {
  chainOf: (call: Call) => Chain
  /** Brings the settlements of a chain up to date: what has moved on it no longer needs to be covered. */
  refresh: (call: Call) => Promise<void>
  counter: (name: string) => Promise<bigint>
  clock: Clock
}): FundsCheck => {
  const { chainOf, refresh, counter, clock } = facts
  /** What balances had left when they were read, less what was spent since. */
  const spare = new Map<string, { units: bigint; at: number }>()

  const remember = (call: Call, units: bigint) => {
    const key = payerKey(call)
    spare.delete(key)
    spare.set(key, { units, at: clock.now() })
    if (spare.size > REMEMBERED) spare.delete(spare.keys().next().value!)
  }

  const isTrusted = (call: Call, counters: Readonly<Record<string, bigint>>): boolean => {
    const known = spare.get(payerKey(call))
    const paidBefore = (counters[COUNTER.settled(call.payer)] ?? 0n) > 0n
    if (!known || !paidBefore || call.settleFirst) return false
    if (clock.now() - known.at >= FRESH_MS || known.units < call.signed) return false
    known.units -= call.signed
    return true
  }

  const balanceOf = async (call: Call): Promise<bigint> => {
    const { balance, used, isContract } = await chainOf(call).payer(call.token, call.payer, call.nonce)
    if (isContract) throw fail('payer_is_contract')
    if (used) throw fail('authorization_used')
    return balance
  }

  return async (call, counters) => {
    if (call.signed === 0n || isTrusted(call, counters)) return
    const signed = COUNTER.signed(bookOf(call), call.payer)
    let required = counters[signed] ?? call.signed
    let balance = await balanceOf(call)
    if (balance < required && required > call.signed) {
      // Open calls may have settled since the last look: their money has left the balance and needs no cover.
      await refresh(call)
      required = await counter(signed)
      balance = await balanceOf(call)
    }
    if (balance < required) throw fail('insufficient_funds', { balance, required })
    remember(call, balance - required)
    if (call.settleFirst) await tryOut(chainOf(call), call)
  }
}

const payerKey = (call: Call): string => `${bookOf(call)} ${call.payer}`

const tryOut = async (chain: Chain, call: Call): Promise<void> => {
  const data = transferData({ ...call, from: call.payer, to: call.payTo, value: call.signed })
  if (!(await chain.reverts(call.token, data))) return
  throw fail('settlement_failed', { why: 'the token refuses the transfer' })
}

/** The one thing an authorization can be used for once: (chain, token, payer, nonce). */
export const claimKey = (asset: { chain: string; address: Hex }, payer: Hex, nonce: Hex): string =>
  `${asset.chain}/${asset.address}:${payer}:${nonce}`

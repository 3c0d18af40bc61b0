import { assetKey, type ChainId, chainNumber, type Hex } from '../assets.ts'
import type { Chain } from '../chain/chain.ts'
import { permit2Digest, uptoDigest } from '../chain/permit2.ts'
import { curve } from '../chain/signatures.ts'
import { authorizationDigest, domainSeparator } from '../chain/typed-data.ts'
import type { Clock } from '../clock.ts'
import { type Code, fail } from '../errors.ts'
import type { Call } from '../ledger/call.ts'
import { bookOf, COUNTER } from '../ledger/moves.ts'
import type { Till } from '../quote/offers.ts'
import { PERMIT2 } from '../wire/contracts.ts'
import { type Authorization, isPlainSignature } from '../wire/payment.ts'
import { actionOf } from './action.ts'
import type { Agreed } from './terms.ts'

/** Picks the agreement whose authorization the payer really signed; refuses when none. Offline for plain accounts: no chain is asked. */
export const createSignatureCheck = (facts: {
  tills: readonly Till[]
  settler: Hex
  /** Asks a contract whether a signature is its own; undefined where contracts are not taken as payers. */
  askContract: ((chain: ChainId, payer: Hex, digest: Uint8Array, signature: Hex) => Promise<boolean>) | undefined
}) => {
  const digestOf = createDigests(facts.tills, facts.settler)
  return async (candidates: readonly Agreed[]): Promise<Agreed> => {
    for (const agreed of candidates) {
      const { authorization, till } = agreed
      const { from, signature } = authorization
      const digest = digestOf(till, authorization)
      if (!isPlainSignature(signature)) {
        if (!facts.askContract) throw fail('payer_is_contract')
        if (await facts.askContract(till.asset.chain, from, digest, signature)) return agreed
      } else if ((await curve.recover(digest, signature)) === from) return agreed
    }
    throw fail('payment_signature_invalid')
  }
}

/** What was signed, under the domain of the token or of Permit2. */
const createDigests = (tills: readonly Till[], settler: Hex) => {
  const separators = new Map(tills.map(({ asset }) => [assetKey(asset), domainSeparator(asset)]))
  return ({ asset }: Till, authorization: Authorization): Uint8Array => {
    if (authorization.kind === 'eip3009') return authorizationDigest(separators.get(assetKey(asset))!, authorization)
    const signed = { ...authorization, token: asset.address }
    const chainId = chainNumber(asset.chain)
    return authorization.kind === 'upto'
      ? uptoDigest(chainId, { ...signed, facilitator: settler })
      : permit2Digest(chainId, signed)
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
  /** Contracts are taken as payers: they settle first. */
  contracts: boolean
  settler: Hex
  clock: Clock
}): FundsCheck => {
  const { chainOf, refresh, counter, contracts, settler, clock } = facts
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

  /** Units that can be moved from the payer, by the token or by Permit2. */
  const fundsOf = async (call: Call): Promise<{ most: bigint; short: Code }> => {
    const chain = chainOf(call)
    const kind = call.kind === 'voucher' ? 'permit2' : call.kind
    const { balance, allowance, used, code } = await chain.payer({ ...call, kind })
    if (code !== 'none' && !(contracts && call.settleFirst)) throw fail('payer_is_contract')
    if (used) throw fail('authorization_used')
    // An allowance that comes with the payment takes effect when it settles.
    if (allowance === undefined || call.sponsored || balance <= allowance)
      return { most: balance, short: 'insufficient_funds' }
    return { most: allowance, short: 'insufficient_allowance' }
  }

  return async (call, counters) => {
    if (call.signed === 0n || isTrusted(call, counters)) return
    const signed = COUNTER.signed(bookOf(call), call.payer)
    let required = counters[signed] ?? call.signed
    let funds = await fundsOf(call)
    if (funds.most < required && required > call.signed) {
      // Open calls may have settled since the last look: their money has left the balance and needs no cover.
      await refresh(call)
      required = await counter(signed)
      funds = await fundsOf(call)
    }
    const { most, short } = funds
    if (most < required) throw fail(short, { balance: most, allowance: most, required })
    remember(call, most - required)
    if (call.settleFirst && !call.sponsored) await tryOut(chainOf(call), call, settler)
  }
}

const payerKey = (call: Call): string =>
  `${bookOf(call)} ${call.payer} ${call.kind === 'eip3009' ? 'token' : 'permit2'}`

const tryOut = async (chain: Chain, call: Call, settler: Hex): Promise<void> => {
  const { to, data } = actionOf(call, settler)
  if (!(await chain.reverts(to, data, settler))) return
  throw fail('settlement_failed', { why: 'the token refuses the transfer' })
}

/** The one thing an authorization can be used for once: (chain, token or Permit2, payer, nonce). */
export const claimKey = (
  asset: { chain: string; address: Hex },
  { kind, from, nonce }: Pick<Authorization, 'kind' | 'from' | 'nonce'>,
): string => `${asset.chain}/${kind === 'eip3009' ? asset.address : PERMIT2}:${from}:${nonce}`

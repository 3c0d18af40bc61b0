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
import { actionOf } from '../settle/action.ts'
import { patiently } from '../settle/agreement.ts'
import { PERMIT2 } from '../wire/contracts.ts'
import { type Authorization, isPlainSignature } from '../wire/payment.ts'
import type { Sponsor } from './sponsor.ts'
import type { Agreed } from './terms.ts'

/** Picks the agreement whose authorization the payer really signed; refuses when none. Offline for plain accounts: no chain is asked. */
export const createSignatureCheck = (facts: {
  tills: readonly Till[]
  settler: Hex
  /** Asks a contract whether a signature is its own; undefined where contracts are not taken as payers. */
  askContract:
    | ((chain: ChainId, payer: Hex, digest: Uint8Array, signature: Hex) => Promise<boolean>)
    | undefined
}) => {
  const digestOf = createDigests(facts.tills, facts.settler)
  return async <A extends Pick<Agreed, 'till' | 'authorization'>>(candidates: readonly A[]): Promise<A> => {
    for (const agreed of candidates) {
      const { authorization, till } = agreed
      const { from, signature } = authorization
      const digest = digestOf(till, authorization)
      const isPlain = isPlainSignature(signature)
      if (isPlain && (await curve.recover(digest, signature)) === from) return agreed
      if (!isPlain && !facts.askContract) throw fail('payer_is_contract')
      // A wallet's owner may sign in 65 bytes as well: only the wallet can tell.
      if (await facts.askContract?.(till.asset.chain, from, digest, signature)) return agreed
    }
    throw fail('payment_signature_invalid')
  }
}

/** What was signed, under the domain of the token or of Permit2. */
const createDigests = (tills: readonly Till[], settler: Hex) => {
  const separators = new Map(tills.map(({ asset }) => [assetKey(asset), domainSeparator(asset)]))
  return ({ asset }: Till, authorization: Authorization): Uint8Array => {
    if (authorization.kind === 'eip3009')
      return authorizationDigest(separators.get(assetKey(asset))!, authorization)
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
  /** A sum so large that two nodes must agree on what its payer holds. */
  needsTwo: (call: Call) => boolean
  /** Looks after allowances that come with a payment. */
  sponsor: Pick<Sponsor, 'isLive' | 'approve'>
  /** How many instances trust by what they read themselves: each by its part of what a balance has to spare. */
  sharers: () => number
}): FundsCheck => {
  const { chainOf, refresh, counter, contracts, settler, clock, sponsor } = facts
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
    if (!known || !paidBefore || call.settleFirst || call.sponsored) return false
    if (clock.now() - known.at >= FRESH_MS || known.units < call.signed) return false
    known.units -= call.signed
    return true
  }

  /** Units that can be moved from the payer, by the token or by Permit2. */
  const fundsOf = async (call: Call, required: bigint): Promise<{ most: bigint; short: Code }> => {
    const chain = chainOf(call)
    const kind = call.kind === 'voucher' ? 'permit2' : call.kind
    const agreed = call.settleFirst && facts.needsTwo(call)
    const read = () => chain.payer({ ...call, kind }, { agreed })
    const { balance, allowance, used, code } = await (agreed ? patiently(clock, read) : read())
    if (code !== 'none' && !(contracts && call.settleFirst)) throw fail('payer_is_contract')
    if (used) throw fail('authorization_used')
    if (allowance === undefined || balance < required) return { most: balance, short: 'insufficient_funds' }
    const allowed = call.sponsored ? await sponsored(call, allowance, required) : allowance
    if (balance <= allowed) return { most: balance, short: 'insufficient_funds' }
    return { most: allowed, short: 'insufficient_allowance' }
  }

  /** What Permit2 may move once the allowance that came with the payment has its effect. */
  const sponsored = async (call: Call, allowance: bigint, required: bigint): Promise<bigint> => {
    if (call.sponsored?.by === 'approval') {
      if (allowance >= required) return allowance
      await sponsor.approve(call, required)
      return (await chainOf(call).payer({ ...call, kind: 'permit2' })).allowance ?? 0n
    }
    const isLive = await sponsor.isLive(call)
    // A permit sets the allowance, it does not add to it: submitted now, it would take from other payments.
    if (allowance >= required && isLive)
      throw fail('sponsorship_invalid', {
        problem: 'Permit2 has an allowance already, send the payment without one',
      })
    return isLive ? call.signed : allowance
  }

  return async (call, counters) => {
    if (call.signed === 0n || isTrusted(call, counters)) return
    const signed = COUNTER.signed(bookOf(call), call.payer)
    let required = counters[signed] ?? call.signed
    let funds = await fundsOf(call, required)
    if (funds.most < required && required > call.signed) {
      // Open calls may have settled since the last look: their money has left the balance and needs no cover.
      await refresh(call)
      required = await counter(signed)
      funds = await fundsOf(call, required)
    }
    const { most, short } = funds
    if (most < required) throw fail(short, { balance: most, allowance: most, required })
    remember(call, (most - required) / BigInt(facts.sharers()))
    if (call.settleFirst) await tryOut(chainOf(call), call, settler)
  }
}

const payerKey = (call: Call): string =>
  `${bookOf(call)} ${call.payer} ${call.kind === 'eip3009' ? 'token' : 'permit2'}`

/** A payer's contract decides what its payment costs us: more than is paid for is refused. */
const tryOut = async (chain: Chain, call: Call, settler: Hex): Promise<void> => {
  const { to, data, gas } = actionOf(call, settler)
  const why = await chain.whyReverts(to, data, settler)
  if (why !== undefined) throw fail('settlement_failed', { why: `the token refuses the transfer: ${why}` })
  const needed = await chain.estimate(settler, to, data)
  if (needed === undefined) throw fail('settlement_failed', { why: 'the token refuses the transfer' })
  if (needed > gas) throw fail('settlement_failed', { why: `it needs ${needed} gas, ${gas} are paid for` })
}

/** Says why an open call can no longer be paid for: used elsewhere, or its payer's money or allowance is gone. */
export const createCoverCheck =
  (facts: {
    chainOf: (call: Call) => Chain
    refresh: (call: Call) => Promise<void>
    counter: (name: string) => Promise<bigint>
    sponsor: Pick<Sponsor, 'isLive'>
  }) =>
  async (call: Call): Promise<string | undefined> => {
    const { kind } = call
    if (kind === 'voucher') return undefined
    const look = async () => {
      const required = await facts.counter(COUNTER.signed(bookOf(call), call.payer))
      return { required, ...(await facts.chainOf(call).payer({ ...call, kind })) }
    }
    let found = await look()
    if (found.balance < found.required) {
      // What has settled since has left the balance and needs no cover.
      await facts.refresh(call)
      found = await look()
    }
    const { required, balance, allowance, used } = found
    if (used) return 'its payment was used or cancelled elsewhere'
    if (balance < required) return 'the payer no longer has the money'
    if (allowance === undefined || allowance >= call.signed) return undefined
    return (await facts.sponsor.isLive(call)) ? undefined : 'the payer took back its allowance'
  }

/** The one thing an authorization can be used for once: (chain, token or Permit2, payer, nonce). */
export const claimKey = (
  asset: { chain: string; address: Hex },
  { kind, from, nonce }: Pick<Authorization, 'kind' | 'from' | 'nonce'>,
): string => `${asset.chain}/${kind === 'eip3009' ? asset.address : PERMIT2}:${from}:${nonce}`

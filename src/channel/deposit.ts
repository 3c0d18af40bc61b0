import { type ChainId, chainNumber, type Hex } from '../assets.ts'
import type { Chain } from '../chain/chain.ts'
import { depositNonce, permit2DepositDigest, receiveDigest } from '../chain/deposit.ts'
import { curve } from '../chain/signatures.ts'
import { domainSeparator } from '../chain/typed-data.ts'
import { fail } from '../errors.ts'
import type { Sponsored } from '../ledger/call.ts'
import type { Channel } from '../ledger/channel.ts'
import { type DepositBy, type Errand, newErrand } from '../ledger/errand.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { bookOf, COUNTER } from '../ledger/moves.ts'
import { claimKey } from '../payment/check.ts'
import { checkTime } from '../payment/terms.ts'
import { actionOf } from '../settle/action.ts'
import { BATCH_SETTLEMENT, ERC3009_COLLECTOR } from '../wire/contracts.ts'
import { type Deposit, isPlainSignature, type PaymentChannel } from '../wire/payment.ts'
import type { AgreedChannel } from './agree.ts'

export type DepositFacts = {
  ledger: Ledger
  chainOf: (chain: ChainId) => Chain
  settler: Hex
  /** Asks a contract whether a signature is its own; undefined where contracts are not taken as payers. */
  askContract:
    | ((chain: ChainId, payer: Hex, digest: Uint8Array, signature: Hex) => Promise<boolean>)
    | undefined
}

export type DepositTerms = {
  deposit: Deposit
  sponsored: PaymentChannel['sponsored']
  /** The channel as it is known; undefined for a new one. */
  channel: Channel | undefined
  /** Units that a deposit must have to be worth its gas. */
  least: bigint
  /** Unix seconds: the later of our clock and the chain's. */
  now: number
  /** When it came, ms. */
  at: number
}

export type Deposits = {
  /** The errand that makes this deposit, when its payer has signed it for this channel. Offline for plain accounts. */
  errandOf: (agreed: AgreedChannel, terms: DepositTerms) => Promise<Errand>
  /** Refuses a deposit or a refund that the chain would not take now. */
  check: (errand: Errand) => Promise<void>
}

export const createDeposits = (facts: DepositFacts): Deposits => {
  const { ledger, chainOf, settler, askContract } = facts

  const isSigned = async ({ till, payment }: AgreedChannel, deposit: Deposit): Promise<boolean> => {
    const { chain } = till.asset
    const { payer } = payment.config
    const digest = digestOf({ till, payment }, deposit)
    if (isPlainSignature(deposit.signature)) return (await curve.recover(digest, deposit.signature)) === payer
    if (!askContract) throw fail('payer_is_contract')
    return askContract(chain, payer, digest, deposit.signature)
  }

  const tryOut = async (chain: Chain, errand: Errand): Promise<void> => {
    const { to, data } = actionOf(errand, settler)
    const why = await chain.whyReverts(to, data, settler)
    if (why !== undefined) throw fail('settlement_failed', { why })
  }

  return {
    errandOf: async (agreed, terms) => {
      const { deposit, now } = terms
      const validAfter = deposit.by === 'eip3009' ? deposit.validAfter : 0n
      checkTime({ validAfter, validBefore: deposit.validBefore }, now)
      checkAmount(agreed, terms)
      checkPlace(agreed, deposit)
      if (!(await isSigned(agreed, deposit))) throw fail('payment_signature_invalid')
      return errandOf(agreed, terms)
    },
    check: async (errand) => {
      const { task, token, payer, amount } = errand
      const chain = chainOf(errand.chain)
      if (task.kind !== 'deposit' || task.by.kind === 'seen') return tryOut(chain, errand)
      const { kind, nonce } = task.by
      const { balance, allowance, used, code } = await chain.payer({ kind, token, payer, nonce })
      if (used) throw fail('authorization_used')
      if (code !== 'none' && !askContract) throw fail('payer_is_contract')
      const required = amount + (await ledger.counter(COUNTER.signed(bookOf(errand), payer)))
      if (balance < required) throw fail('insufficient_funds', { balance, required })
      if (allowance !== undefined && !task.sponsored && allowance < amount)
        throw fail('insufficient_allowance', { allowance, required: amount })
      await tryOut(chain, errand)
    },
  }
}

const digestOf = (
  { till, payment }: Pick<AgreedChannel, 'till' | 'payment'>,
  deposit: Deposit,
): Uint8Array => {
  const { asset } = till
  const { channel: channelId } = payment.voucher
  const { amount, validBefore } = deposit
  if (deposit.by === 'permit2') {
    const { nonce } = deposit
    const signed = { token: asset.address, amount, nonce, deadline: validBefore, channelId }
    return permit2DepositDigest(chainNumber(asset.chain), signed)
  }
  const { validAfter, salt } = deposit
  const signed = { from: payment.config.payer, value: amount, validAfter, validBefore, channelId, salt }
  return receiveDigest(domainSeparator(asset), signed)
}

const checkAmount = ({ payment }: AgreedChannel, { deposit, channel, least }: DepositTerms): void => {
  const { amount } = deposit
  const missing = payment.voucher.max - (channel?.balance ?? 0n)
  const needed = missing > least ? missing : least
  if (amount < needed || amount === 0n) throw fail('deposit_too_small', { amount, least: needed })
}

const checkPlace = ({ till, payment }: AgreedChannel, deposit: Deposit): void => {
  if (!till.asset.methods.includes(deposit.by)) throw fail('payment_scheme_unsupported')
  if (deposit.by === 'eip3009') return
  if (deposit.channel !== payment.voucher.channel)
    throw fail('channel_config_mismatch', { problem: 'the deposit is for another channel' })
  if (deposit.token !== till.asset.address) throw fail('payment_asset_mismatch')
  if (deposit.from !== payment.config.payer) throw fail('payment_signature_invalid')
}

const errandOf = (agreed: AgreedChannel, { deposit, sponsored, channel, at }: DepositTerms): Errand => {
  const { till, payment, id } = agreed
  const { config, voucher } = payment
  const { asset } = till
  const by = depositBy(deposit, voucher.channel)
  const permit = permitOf(agreed, sponsored, deposit.amount)
  return newErrand(asset, {
    payer: config.payer,
    // The collector takes it first, and its own transfer is the one into the channel.
    from: deposit.by === 'eip3009' ? ERC3009_COLLECTOR : config.payer,
    to: BATCH_SETTLEMENT,
    claim: claimKey(asset, { kind: by.kind, from: config.payer, nonce: by.nonce }),
    amount: deposit.amount,
    at,
    validAfter: deposit.by === 'eip3009' ? deposit.validAfter : 0n,
    validBefore: deposit.validBefore,
    settlement: { at: 'due' },
    task: {
      kind: 'deposit',
      channel: id,
      config,
      by,
      claimed: channel?.claimed ?? 0n,
      refundNonce: channel?.refundNonce ?? 0n,
      ...(permit && { sponsored: permit }),
    },
  })
}

const depositBy = (deposit: Deposit, channel: Hex): Exclude<DepositBy, { kind: 'seen' }> => {
  const { validBefore, signature } = deposit
  if (deposit.by === 'permit2')
    return { kind: 'permit2', nonce: deposit.nonce, deadline: validBefore, signature }
  const { validAfter, salt } = deposit
  return { kind: 'eip3009', validAfter, validBefore, salt, nonce: depositNonce(channel, salt), signature }
}

/** A signed allowance that comes with a deposit by Permit2, if any; whether it holds is tried out on the chain. */
const permitOf = (
  { till, payment }: AgreedChannel,
  sponsored: PaymentChannel['sponsored'],
  amount: bigint,
): Sponsored | undefined => {
  if (sponsored?.by !== 'eip2612' || !till.asset.eip2612) return undefined
  const { from, asset, value, deadline, signature } = sponsored
  if (from !== payment.config.payer || asset !== till.asset.address || value < amount)
    throw fail('payment_malformed', { problem: 'the signed allowance is not for this deposit' })
  return { by: 'eip2612', permitted: value, deadline, signature }
}

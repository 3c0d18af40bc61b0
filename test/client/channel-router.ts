import { computeChannelId } from '@x402/evm/batch-settlement/client'
import type { Requirement } from '../../src/wire/payment.ts'
import { type Ask, answer, CHAIN, demand, offer, type Script, SIGNER } from './router.ts'

type Hex = `0x${string}`
export const PRICE = 14n

/** A channel as the scripted router keeps it. */
export type Kept = { balance: bigint; charged: bigint; max: bigint; signature: Hex }

export const channelOffer = (extra: object = {}, change: Partial<Requirement> = {}): Requirement =>
  offer({
    scheme: 'batch-settlement',
    ...change,
    extra: {
      ...offer().extra,
      receiverAuthorizer: SIGNER,
      withdrawDelay: 86_400,
      ...extra,
    },
  })

/** What a router tells of a channel in its offer. */
export const stateOf = (id: Hex, kept: Kept) => ({
  channelState: {
    channelId: id,
    balance: String(kept.balance),
    totalClaimed: '0',
    withdrawRequestedAt: 0,
    refundNonce: '0',
    chargedCumulativeAmount: String(kept.charged),
  },
  ...(kept.max > 0n && {
    voucherState: { signedMaxClaimable: String(kept.max), signature: kept.signature },
  }),
})

/**
 * A router that keeps channels as the scheme says: each voucher is for all that was charged and one call more, else a
 * corrective 402 says where the channel stands. `served` is asked before an answer goes out.
 */
export const channelRouter = (served: (ask: Ask, kept: Kept) => unknown = () => undefined) => {
  const kept = new Map<Hex, Kept>()
  const script: Script = async (ask) => {
    const { paid } = ask
    if (!paid) return demand(ask, [channelOffer(), offer()])
    const { type, channelConfig, voucher, deposit } = paid.payload
    if (!voucher) return answer(ask)
    const id = computeChannelId(channelConfig, CHAIN) as Hex
    const known = kept.get(id) ?? { balance: 0n, charged: 0n, max: 0n, signature: '0x' }
    const { charged } = known
    const max = BigInt(voucher.maxClaimableAmount)
    const balance = known.balance + BigInt(deposit?.amount ?? 0)
    const amount = type === 'refund' ? 0n : BigInt(paid.accepted.amount)
    if (max !== charged + amount || max > balance)
      return demand(ask, [channelOffer(stateOf(id, known)), offer()], 'channel_mismatch')
    if (type === 'refund') {
      kept.set(id, { ...known, balance: charged })
      const told = { success: true, transaction: '', network: CHAIN, amount: String(balance - charged) }
      ask.response.writeHead(200, { 'payment-response': btoa(JSON.stringify(told)) }).end('{}')
      return
    }
    const next = { balance, charged: charged + PRICE, max, signature: voucher.signature }
    kept.set(id, next)
    if ((await served(ask, next)) !== undefined) return
    await answer(ask, { signed: String(PRICE), credited: '0' }, undefined, { chargedAmount: String(PRICE) })
  }
  return { kept, script }
}

import { offerDigest, paidDigest } from '../chain/offer-receipt.ts'
import { signDigest } from '../chain/signatures.ts'
import type { Settler as Account } from '../chain/transaction.ts'
import { type Clock, seconds } from '../clock.ts'
import type { Call } from '../ledger/call.ts'
import type { SignedOffer, SignedReceipt } from '../wire/offer-receipt.ts'
import type { Requirement } from '../wire/payment.ts'

/** Signs offers and receipts so that anybody can prove later what was offered and that it was paid: the offer-receipt extension. */
export type Notary = {
  /** The offers as they stand in `accepts`, valid until a unix second. Empty when more 402s are asked for than we would sign: they go on unsigned. */
  offers: (accepts: readonly Requirement[], validUntil: number) => Promise<SignedOffer[]>
  /** That the payer of a call has paid; `transaction`: its settlement, empty when none is known. */
  receipt: (call: Call, transaction: string) => Promise<SignedReceipt>
}

/** Offers signed a second at most, also of those who ask: a signature takes longer than all else that a stranger can have for free. */
const MOST = 1_000

export const createNotary = (facts: { account: Account; resource: string; clock: Clock }): Notary => {
  const { account, resource: resourceUrl, clock } = facts
  let second = 0
  let signed = 0
  return {
    offers: async (accepts, validUntil) => {
      const now = seconds(clock.now())
      if (now !== second) signed = 0
      second = now
      signed += accepts.length
      if (signed > MOST) return []
      return Promise.all(
        accepts.map(async ({ scheme, network, asset, payTo, amount }, acceptIndex) => {
          const payload = {
            version: 1 as const,
            resourceUrl,
            scheme,
            network,
            asset,
            payTo,
            amount,
            validUntil,
          }
          const signature = await signDigest(offerDigest(payload), account.key)
          return { format: 'eip712' as const, acceptIndex, payload, signature }
        }),
      )
    },
    receipt: async ({ chain, payer }, transaction) => {
      const issuedAt = seconds(clock.now())
      const payload = { version: 1 as const, network: chain, resourceUrl, payer, issuedAt, transaction }
      return { format: 'eip712', payload, signature: await signDigest(paidDigest(payload), account.key) }
    },
  }
}

import { assetKey } from '../assets.ts'
import type { Code, Details } from '../errors.ts'
import { standingOf } from '../payment/channel-answer.ts'
import type { Requirement } from '../wire/payment.ts'
import type { Deps } from './deps.ts'

/**
 * The offers of a 402 that is about a channel: where the payer lost count, the channel's own offer first, with how it
 * stands; where it is being emptied, the other schemes.
 */
export const aboutChannel = async <
  R extends Pick<Requirement, 'scheme' | 'network' | 'asset'> & { extra: object },
>(
  { ledger }: Pick<Deps, 'ledger'>,
  code: Code,
  details: Details,
  offers: readonly R[],
): Promise<R[]> => {
  const others = offers.filter((offer) => offer.scheme !== 'batch-settlement')
  if (code === 'channel_withdrawing') return others.length > 0 ? others : [...offers]
  const id = details['channel']
  const channel = typeof id === 'string' ? await ledger.channel(id) : undefined
  if (!channel) return [...offers]
  const book = assetKey({ chain: channel.chain, address: channel.token })
  const isIts = (offer: R) =>
    offer.scheme === 'batch-settlement' && assetKey({ chain: offer.network, address: offer.asset }) === book
  const its = offers
    .filter(isIts)
    .map((offer) => ({ ...offer, extra: { ...offer.extra, ...standingOf(channel) } }))
  return [...its, ...offers.filter((offer) => !isIts(offer))]
}

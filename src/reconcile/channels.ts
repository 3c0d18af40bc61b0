import { assetKey, type Hex } from '../assets.ts'
import type { ChannelEvent } from '../chain/history.ts'
import { type Channel, channelKey } from '../ledger/channel.ts'
import type { BookedTransfer } from '../ledger/ledger.ts'
import { BATCH_SETTLEMENT, type ChannelConfig } from '../wire/contracts.ts'
import { type Book, flights, type Span, type View } from './compare.ts'
import type { Finding, Kind } from './match.ts'

/** A finding about a channel, with what is needed to book it. */
export type ChannelFinding = Finding & { event: ChannelEvent; config: ChannelConfig; channel: string }

/** What the contract did to our channels in a range, and whether the ledger has it. Channels of others are passed over. */
export const compareChannels = async (
  view: View,
  books: readonly Book[],
  { from, to }: Span,
): Promise<ChannelFinding[]> => {
  const { ledger, chain } = view
  if ((await chain.code(BATCH_SETTLEMENT)) === 'none') return []
  const flying = await flights(view)
  const events = await chain.history.channelEvents(from, to)
  const created = new Map(events.flatMap((one) => (one.config ? [[one.channel, one.config] as const] : [])))
  const rows = new Map<string, BookedTransfer[]>()
  for (const { asset } of books) rows.set(assetKey(asset), await ledger.transfers(assetKey(asset), from, to))
  const found: ChannelFinding[] = []
  for (const event of events) {
    if (event.kind === 'created') continue
    const channel = await ledger.channel(channelKey(chain.id, event.channel))
    const config = channel?.config ?? created.get(event.channel)
    const book = config && bookOf(books, config)
    if (!config || !book || (!channel && config.receiverAuthorizer !== view.settler)) continue
    const asset = assetKey(book.asset)
    const row = takeRow(rows.get(asset) ?? [], event)
    const kind: Kind = row ? 'matched' : await kindOf(view, flying, event, channel)
    if (event.kind === 'claim' && kind === 'matched') continue
    found.push({
      ...told(asset, config, event, row),
      kind,
      event,
      config,
      channel: channelKey(chain.id, event.channel),
    })
  }
  return found
}

const bookOf = (books: readonly Book[], { token, receiver }: ChannelConfig): Book | undefined =>
  books.find((book) => book.asset.address === token && book.ours.has(receiver))

/** The row of the ledger that stands for an event. A claim has none: it moves money only when it is paid out. */
const takeRow = (
  rows: BookedTransfer[],
  { kind, hash, amount }: ChannelEvent,
): BookedTransfer | undefined => {
  const fits = ({ what }: BookedTransfer) =>
    kind === 'deposit' ? what === 'deposit' : what === 'refund' || what === 'withdrawal'
  const at = rows.findIndex((row) => row.hash === hash && row.amount === amount && fits(row))
  return kind === 'claim' || at === -1 ? undefined : rows.splice(at, 1)[0]
}

const kindOf = async (
  { chain }: View,
  flying: ReadonlyMap<Hex, string>,
  event: ChannelEvent,
  channel: Channel | undefined,
): Promise<Kind> => {
  const kind = event.kind === 'refund' || event.kind === 'created' ? 'withdrawal' : event.kind
  if (flying.has(event.hash)) return 'in_flight'
  if (!channel) return kind
  if (event.kind === 'claim') return event.amount <= channel.claimed ? 'matched' : kind
  // Taken over as a whole: what the ledger says of the channel is what the chain says.
  return (await chain.channels([event.channel]))[0]?.balance === channel.balance ? 'matched' : kind
}

const told = (
  asset: string,
  { payer }: ChannelConfig,
  event: ChannelEvent,
  row: BookedTransfer | undefined,
): Omit<Finding, 'kind'> => {
  const { kind, hash, logIndex, block, amount } = event
  const [from, to] = kind === 'deposit' ? [payer, BATCH_SETTLEMENT] : [BATCH_SETTLEMENT, payer]
  return {
    what: row?.what ?? (kind === 'deposit' ? 'deposit' : kind === 'claim' ? 'claim' : 'withdrawal'),
    asset,
    hash,
    logIndex,
    block: block.toString(),
    from,
    to,
    chain: amount.toString(),
    ledger: row ? row.amount.toString() : null,
    call: row?.call ?? null,
  }
}

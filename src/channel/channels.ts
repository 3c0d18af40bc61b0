/**
 * channel/: many calls out of one deposit (x402 batch-settlement). agree.ts judges a voucher (pure), channels.ts knows
 * how channels stand, turns.ts lets calls in one after the other, deposit.ts takes money in, keeper.ts claims it.
 */
import { assetKey, type ChainId, type Hex } from '../assets.ts'
import type { Chain, ChannelState } from '../chain/chain.ts'
import type { Clock } from '../clock.ts'
import { fail } from '../errors.ts'
import { type Channel, channelKey } from '../ledger/channel.ts'
import { type Errand, newErrand, type Task } from '../ledger/errand.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Log } from '../log.ts'
import { maxOf } from '../money.ts'
import type { Till } from '../quote/offers.ts'
import type { Settler } from '../settle/settler.ts'
import { BATCH_SETTLEMENT } from '../wire/contracts.ts'
import type { ChannelPayment } from '../wire/payment.ts'

/** What the chain said of a channel in a block that counts as settled, and when we asked, ms. */
export type Look = { state: ChannelState; block: bigint; at: number }

/** What the chain says of channels. */
export type Channels = {
  /**
   * The channel that a payment draws on, brought up to what the chain says of it: one that the ledger does not know, or
   * that holds other units than it knows, is taken over. `need`: units in all that it should hold. To be asked by
   * whoever's turn it is.
   */
  find: (till: Till, payment: ChannelPayment, need: bigint) => Promise<Found>
  /** Asks the chain about channels of one chain now, all in one request. */
  look: (chain: ChainId, channels: readonly Hex[]) => Promise<Look[]>
  /** Books money that left or came into a channel without us, as one look at the chain shows it. */
  takeOver: (at: Place, channel: Channel | undefined, look: Look) => Promise<Channel | undefined>
  /** A channel of this till that was used since the start, if any. */
  anyOf: (till: Till) => string | undefined
}

/** A channel, undefined when it was never opened; `withdrawal`: its payer is taking its money out. */
export type Found = { channel: Channel | undefined; withdrawal: ChannelState['withdrawal'] }

/** A channel, also one that the ledger does not know. */
export type Place = { till: Till; payment: Pick<ChannelPayment, 'config' | 'voucher'> }

export type ChannelsFacts = {
  ledger: Ledger
  chainOf: (chain: ChainId) => Chain
  settlerOf: (chain: ChainId) => Pick<Settler, 'head'>
  /** Blocks until what a chain says counts. */
  confirmationsOf: (chain: ChainId) => number
  clock: Clock
  log: Log
}

/** A look is good for a third of the time that a payer must wait for its money, and no longer than this. */
const FRESH_MS = 300_000
/** Where something is amiss we look again sooner, but not for every request. */
const SOON_MS = 1_000
const REMEMBERED = 50_000

export const createChannels = (facts: ChannelsFacts): Channels => {
  const { ledger, clock, log } = facts
  const looks = new Map<string, Look>()
  const used = new Map<string, string>()
  const highest = new Map<ChainId, bigint>()

  /** The newest block that ever counted as settled: a node that is behind must not show a channel as it was. */
  const settledBlock = (id: ChainId): bigint => {
    const depth = BigInt(facts.confirmationsOf(id) - 1)
    const head = facts.settlerOf(id).head().number
    const block = maxOf(head > depth ? head - depth : 0n, highest.get(id) ?? 0n)
    highest.set(id, block)
    return block
  }

  const look: Channels['look'] = async (id, channels) => {
    const block = settledBlock(id)
    const at = clock.now()
    const states = await facts.chainOf(id).channels(channels, block)
    return states.map((state, i) => {
      const made = { state, block, at }
      const key = channelKey(id, channels[i]!)
      looks.delete(key)
      looks.set(key, made)
      if (looks.size > REMEMBERED) looks.delete(looks.keys().next().value!)
      return made
    })
  }

  /** What moves a channel now explains why the chain says otherwise. */
  const isMoving = async ({ id, claiming }: Pick<Channel, 'id' | 'claiming'>): Promise<boolean> =>
    claiming !== undefined || (await ledger.openErrands()).some(({ task }) => channelOf(task) === id)

  const takeOver: Channels['takeOver'] = async (place, before, { state, block }) => {
    const { till, payment } = place
    const id = channelKey(till.asset.chain, payment.voucher.channel)
    if (!before && state.balance === 0n) return undefined
    const held = before ? before.balance : state.totalClaimed
    const more = state.balance - held
    if ((before && more === 0n) || (await isMoving(before ?? { id, claiming: undefined }))) return before
    // What moved while the chain was asked is booked by now: taken over as well, it would count twice.
    const current = await ledger.channel(id)
    if (current?.balance !== before?.balance) return current
    const [blockHash] = await facts.chainOf(till.asset.chain).blockHashes([block])
    if (blockHash === undefined) throw fail('chain_unavailable', { why: 'a block is gone' })
    const proof = { hash: blockHash, block, blockHash, logIndex: -1, gas: 0n }
    const came: Task = {
      kind: 'deposit',
      channel: id,
      config: payment.config,
      by: { kind: 'seen' },
      claimed: state.totalClaimed,
      refundNonce: state.refundNonce,
    }
    const task: Task = more >= 0n ? came : { kind: 'withdrawal', channel: id }
    const errand = seenErrand(place, task, more < 0n ? -more : more, clock.now())
    await ledger.post({ type: 'order', errand: { ...errand, settlement: { at: 'settled', proof } } })
    const channel = await ledger.channel(id)
    log.warn(task.kind === 'deposit' ? 'channel_taken_over' : 'channel_emptied', {
      channel: id,
      units: errand.amount.toString(),
      unpaid: channel && channel.charged > channel.balance ? String(channel.charged - channel.balance) : '0',
    })
    return channel
  }

  return {
    look,
    takeOver,
    anyOf: ({ asset }) => used.get(assetKey(asset)),
    find: async (till, payment, need) => {
      const { config, voucher } = payment
      const id = channelKey(till.asset.chain, voucher.channel)
      const channel = await ledger.channel(id)
      const last = looks.get(id)
      const age = last ? clock.now() - last.at : Number.POSITIVE_INFINITY
      const doubtful = !channel || need > channel.balance || last?.state.withdrawal !== undefined
      const fresh = Math.min(FRESH_MS, (config.withdrawDelay * 1_000) / 3)
      used.set(assetKey(till.asset), id)
      // A look that shows too little is not relied on: it is made again, and what it shows is booked.
      if (age < (doubtful ? SOON_MS : fresh) && !isPhantom(channel, last!, need))
        return judged(channel, last!)
      const [now] = await look(till.asset.chain, [voucher.channel])
      const after = await takeOver({ till, payment }, channel, now!)
      if (isPhantom(after, now!, need))
        throw fail('chain_unavailable', { why: 'the channel holds less than was put into it' })
      return judged(after, now!)
    },
  }
}

/** What is needed is in our records only. */
const isPhantom = (channel: Channel | undefined, { state }: Look, need: bigint): boolean =>
  channel !== undefined && need > state.balance && need <= channel.balance

const judged = (channel: Channel | undefined, { state }: Look): Found => {
  // Somebody else claims with our key, or our records are older than the chain: what is served now could not be claimed.
  if (channel && state.totalClaimed > channel.charged)
    throw fail('channel_config_mismatch', { problem: 'more was claimed from it than our records say' })
  return { channel, withdrawal: state.withdrawal }
}

/** The channel that a task moves money of; a claim has many, each of them says so itself. */
export const channelOf = (task: Task): string | undefined => ('channel' in task ? task.channel : undefined)

const seenErrand = ({ till, payment }: Place, task: Task, amount: bigint, at: number): Errand => {
  const { payer } = payment.config
  const { asset } = till
  const [from, to] = task.kind === 'deposit' ? [payer, BATCH_SETTLEMENT] : [BATCH_SETTLEMENT, payer]
  return newErrand(asset, {
    payer,
    from,
    to,
    amount,
    at,
    validAfter: 0n,
    validBefore: 0n,
    settlement: { at: 'none' },
    task,
  })
}

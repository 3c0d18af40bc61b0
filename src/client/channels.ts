/** The channels of one client: who uses which, what they hold, and how much money may lie in them. */
import { type Hex, toUnits } from '../assets.ts'
import { type Clock, seconds } from '../clock.ts'
import { maxOf, printUsd, type Usd } from '../money.ts'
import { type Channel, channelIdOf, configOf, isOurVoucher, judgeStated } from './channel.ts'
import { type ChannelStore, memoryChannels } from './channel-store.ts'
import { PaymentRefused } from './errors.ts'
import { balanceOf, type Correction, createLease, type Lease, type Slot, type Taken } from './lease.ts'
import type { Offer } from './offer.ts'
import type { Permit2Nonces } from './permit2.ts'
import { readDollars, usdUp } from './policy.ts'
import type { ChainReads } from './rpc.ts'
import type { Wallet } from './wallet.ts'

export type ChannelOptions = {
  /** Dollars of one deposit, such as "1.00". A channel that runs short gets another one. */
  deposit: string
  /** Most dollars that may lie unspent in all channels together; default a deposit in each. */
  maxDeposits?: string
  /** Most channels with one router, of which each carries one call at a time; default 4. */
  most?: number
  /** Where channels are kept; default in memory. `fileChannels(path)` keeps them over a restart. */
  store?: ChannelStore
}

export type Channels = {
  deposit: Usd
  /** Takes a channel for a call, and waits for one while all are in use. Throws `PaymentRefused` where none may be used. */
  take: (call: Taken) => Promise<Lease>
  /** All channels that hold money, in use or not. */
  list: () => Promise<readonly Channel[]>
  /** Uses a channel for something else than a call; undefined when a call uses it. */
  hold: <T>(id: Hex, use: (channel: Channel) => Promise<T>) => Promise<T | undefined>
}

export type ChannelFacts = {
  options: ChannelOptions
  wallet: Wallet
  nonces: Permit2Nonces
  reads: (chain: Channel['chain']) => ChainReads | undefined
  clock: Clock
}

export const openChannels = (facts: ChannelFacts): Channels => {
  const { options, wallet, reads, clock } = facts
  const { store = memoryChannels(), most = 4 } = options
  const deposit = readDollars('channels.deposit', options.deposit)
  const maxDeposits =
    options.maxDeposits === undefined
      ? ((deposit * BigInt(most)) as Usd)
      : readDollars('channels.maxDeposits', options.maxDeposits)
  const payer = wallet.address.toLowerCase() as Hex
  const slots = new Map<Hex, Slot>()
  let loading: Promise<void> | undefined
  let freed = Promise.withResolvers<void>()

  const load = (): Promise<void> => {
    loading ??= store.load().then((channels) => {
      for (const channel of channels)
        if (channel.config.payer === payer)
          slots.set(channel.id, { channel, busy: false, fresh: false, proven: true, dead: [] })
    })
    return loading
  }
  const save = (): Promise<void> =>
    store.save([...slots.values()].filter(({ fresh }) => !fresh).map(({ channel }) => channel))
  const free = (slot: Slot): void => {
    slot.busy = false
    freed.resolve()
    freed = Promise.withResolvers()
    // What a crash forgets here, the router's own count brings back.
    save().catch(() => {})
  }

  const slotsFor = ({ offer, quote }: Taken): Slot[] =>
    Array.from({ length: most }, (_, index) => {
      const config = configOf(offer, payer, index)
      const id = channelIdOf(offer.chain, config)
      const known = slots.get(id)
      if (known) return known
      const channel: Channel = {
        ...NEW,
        id,
        chain: offer.chain,
        config,
        decimals: quote.asset.decimals,
        url: quote.url,
        accepted: offer.raw,
      }
      const made: Slot = { channel, busy: false, fresh: true, proven: false, dead: [] }
      slots.set(id, made)
      return made
    })

  /** Dollars that lie in channels, or may: what a router could keep from us for as long as a withdrawal takes. */
  const outstanding = (): Usd => {
    const now = seconds(clock.now())
    let sum = 0n
    for (const { channel, dead } of slots.values()) {
      const left = dead.filter(({ until }) => until > now).reduce((all, { units }) => all + units, 0n)
      sum += usdUp(maxOf(channel.balance + channel.pending + left - channel.charged, 0n), channel.decimals)
    }
    return sum as Usd
  }

  /** Takes over where the router says that the channel stands, or never uses it again. */
  const adopt = async (slot: Slot, offer: Offer): Promise<Correction> => {
    const { channel } = slot
    const stated = offer.channel!.stated!
    const onChain = await reads(channel.chain)
      ?.channel(channel.id)
      .catch(() => undefined)
    const ours = stated.voucher ? await isOurVoucher(channel, stated.voucher) : false
    const judged = judgeStated(channel, stated, { ours, proven: slot.proven, onChain })
    if (!judged.ok) {
      channel.state = 'disputed'
      return 'disputed'
    }
    const { balance, charged } = judged
    const same = balance === balanceOf(channel) && charged === channel.charged
    // A deposit that is not there yet may still come.
    if (balance < balanceOf(channel))
      slot.dead.push({ units: channel.pending, until: seconds(clock.now()) + LONGEST })
    channel.pending = 0n
    Object.assign(channel, { balance, charged, state: 'open', open: 0n })
    channel.signed = maxOf(channel.signed, stated.voucher?.max ?? 0n)
    slot.fresh = false
    slot.proven = true
    return same ? 'same' : 'corrected'
  }

  /** What another process may have left in a channel that we know nothing of. */
  const discover = async (slot: Slot, offer: Offer): Promise<void> => {
    const { channel } = slot
    const { stated } = offer.channel!
    if (stated?.id === channel.id) return void (await adopt(slot, offer))
    const onChain = await reads(channel.chain)
      ?.channel(channel.id)
      .catch(() => undefined)
    if (onChain) Object.assign(channel, { balance: onChain.balance, charged: onChain.totalClaimed })
  }

  /** Units that must be deposited for a call, and whether they may be. */
  const depositFor = ({ channel }: Slot, { offer }: Taken): { units: bigint; allowed: boolean } => {
    const short = channel.charged + offer.amount > balanceOf(channel)
    const units = short ? toUnits(deposit, channel.decimals) : 0n
    return { units, allowed: !short || outstanding() + deposit <= maxDeposits }
  }

  /** Takes what a call can use now; undefined where it must wait for another call. */
  const tryTake = async (call: Taken): Promise<Lease | undefined> => {
    const all = slotsFor(call)
    if (all.some(({ channel }) => channel.state === 'disputed'))
      throw refuse('channel_disputed', DISPUTED, '')
    const slot = pick(all, call.offer.amount)
    if (!slot) return undefined
    const others = all.some(({ busy }) => busy)
    slot.busy = true
    try {
      if (slot.fresh) await discover(slot, call.offer)
      if (slot.channel.state === 'disputed') throw refuse('channel_disputed', DISPUTED, '')
      const { units, allowed } = depositFor(slot, call)
      if (allowed)
        return createLease({
          ...facts,
          slot,
          call,
          units,
          save,
          free: () => free(slot),
          adopt: (offer) => adopt(slot, offer),
        })
      const hint = `$${printUsd(outstanding())} lie in channels. Raise channels.maxDeposits, or refund some.`
      if (!others) throw refuse('deposit_limit', hint, printUsd(maxDeposits))
    } catch (error) {
      free(slot)
      throw error
    }
    slot.busy = false
    return undefined
  }

  const take = async (call: Taken): Promise<Lease> => {
    await load()
    for (;;) {
      call.signal?.throwIfAborted()
      const waiting = freed.promise
      const lease = await tryTake(call)
      if (lease) return lease
      await waitFor(clock, waiting, call.signal)
    }
  }

  return {
    deposit,
    take,
    list: async () => {
      await load()
      return [...slots.values()].filter(({ fresh }) => !fresh).map(({ channel }) => channel)
    },
    hold: async (id, use) => {
      await load()
      const slot = slots.get(id)
      if (!slot || slot.busy) return undefined
      slot.busy = true
      try {
        return await use(slot.channel)
      } finally {
        free(slot)
      }
    },
  }
}

/** Longer than any deposit of ours is valid, in seconds. */
const LONGEST = 3700
const NEW = { balance: 0n, charged: 0n, signed: 0n, open: 0n, pending: 0n, state: 'open' as const }
const DISPUTED =
  'The router contradicts what we know of a channel, so nothing more is signed for it. Its money comes back by `refund()`, or by a withdrawal at the contract.'

const refuse = (code: PaymentRefused['code'], hint: string, limit: string) =>
  new PaymentRefused(code, { hint, limit })

/** First a channel that covers the call, then one to top up, then a new one. */
const pick = (slots: readonly Slot[], amount: bigint): Slot | undefined => {
  const idle = slots.filter(({ busy }) => !busy)
  const covers = idle.find(
    ({ channel }) => !slotIsNew(channel) && balanceOf(channel) >= channel.charged + amount,
  )
  return covers ?? idle.find(({ channel }) => !slotIsNew(channel)) ?? idle[0]
}
const slotIsNew = (channel: Channel): boolean => balanceOf(channel) === 0n

/** How long a call waits for a channel before it is paid another way: an answer that nobody reads keeps its channel. */
const WAIT_MS = 30_000

const waitFor = async (
  clock: Clock,
  freed: Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> => {
  const enough = new AbortController()
  const late = clock
    .sleep(WAIT_MS, signal ? AbortSignal.any([signal, enough.signal]) : enough.signal)
    .then(() => true)
  const waited = await Promise.race([freed.then(() => false), late])
  enough.abort()
  signal?.throwIfAborted()
  if (waited) throw refuse('channels_in_use', 'Every channel is in use: raise channels.most.', '')
}

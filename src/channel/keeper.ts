import type { ChainId, Hex } from '../assets.ts'
import type { Chain } from '../chain/chain.ts'
import type { Clock } from '../clock.ts'
import { newErrandId } from '../ids.ts'
import { type Channel, channelKey } from '../ledger/channel.ts'
import type { Claim, Errand } from '../ledger/errand.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { type Log, reasonOf } from '../log.ts'
import type { Till } from '../quote/offers.ts'
import { actionOf } from '../settle/action.ts'
import type { Settler } from '../settle/settler.ts'
import { BATCH_SETTLEMENT } from '../wire/contracts.ts'
import { isOffered } from './agree.ts'
import type { Channels } from './channels.ts'
import { type ClaimPolicy, claimable, claimOf, dueClaims, type Unclaimed } from './claims.ts'
import type { Turns } from './turns.ts'

/** Claims what channels owe us before their payers could take it out. */
export type Keeper = {
  /** One look at the ledger, and at the chain when that is due or `now` is said; also on a timer. */
  tick: (now?: 'now') => Promise<void>
  start: () => void
  /** Resolves when nothing of it runs any more. */
  stop: () => Promise<void>
}

export type KeeperFacts = {
  ledger: Ledger
  tills: readonly Till[]
  channels: Channels
  turns: Turns
  chainOf: (chain: ChainId) => Chain
  settlerOf: (chain: ChainId) => Settler
  settler: Hex
  clock: Clock
  log: Log
  policy: ClaimPolicy
  /** The least time that a payer must wait for its money, ms. */
  withdrawDelayMs: number
  probe: (point: string) => void
}

const EVERY_MS = 1_000
/** The chain is looked at so often that a withdrawal is seen long before it is due. */
const LOOKS_PER_DELAY = 20
const LONGEST_LOOK_MS = 60_000
const AT_ONCE = 100
/** A claim that the chain refused is not tried again for so long. */
const REFUSED_MS = 600_000

export const createKeeper = (facts: KeeperFacts): Keeper => {
  const { ledger, channels, turns, clock, log } = facts
  const lookMs = Math.min(facts.withdrawDelayMs / LOOKS_PER_DELAY, LONGEST_LOOK_MS)
  /** Since when a channel is seen to have something to be claimed. */
  const since = new Map<string, number>()
  const withdrawing = new Set<string>()
  const refused = new Map<string, number>()
  const leftOver = new Map<string, number>()
  let looked = Number.NEGATIVE_INFINITY
  let running: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  const owing = async (): Promise<Channel[]> => {
    const open = (await ledger.openChannels()).filter((one) => claimable(one) > 0n)
    const ids = new Set(open.map((one) => one.id))
    for (const id of since.keys()) if (!ids.has(id)) since.delete(id)
    for (const { id, at } of open) if (!since.has(id)) since.set(id, Math.min(at, clock.now()))
    return open
  }

  /** What payers are doing with their channels on the chain. */
  const look = async (open: readonly Channel[]): Promise<void> => {
    looked = clock.now()
    withdrawing.clear()
    for (const [chain, some] of Map.groupBy(open, (one) => one.chain)) {
      for (let i = 0; i < some.length; i += AT_ONCE) await lookAt(chain, some.slice(i, i + AT_ONCE))
    }
    for (const till of facts.tills) if (isOffered(till)) await sweep(till)
  }

  const lookAt = async (chain: ChainId, some: readonly Channel[]): Promise<void> => {
    const looks = await channels.look(
      chain,
      some.map((one) => one.channel),
    )
    for (const [i, { state }] of looks.entries()) {
      const channel = some[i]!
      if (state.withdrawal) withdrawing.add(channel.id)
      if (state.balance < channel.balance) await emptied(channel)
    }
  }

  /** Its payer has taken money out: booked while nobody else is on the channel, from a look of that time. */
  const emptied = async ({ id, chain, channel: hex }: Channel): Promise<void> => {
    const leave = await turns.enter(id)
    try {
      const channel = await ledger.channel(id)
      const [now] = await channels.look(chain, [hex])
      const till = channel && tillOf(channel)
      if (!channel || !till || !now || now.state.balance >= channel.balance) return
      const payment = { config: channel.config, voucher: { channel: hex, max: 0n, signature: '0x' as Hex } }
      await channels.takeOver({ till, payment }, channel, now)
    } finally {
      leave()
    }
  }

  const tillOf = ({ chain, token }: Channel): Till | undefined =>
    facts.tills.find(({ asset }) => asset.chain === chain && asset.address === token)

  const isClaiming = async (chain: ChainId, token: Hex, receiver: Hex): Promise<boolean> =>
    (await ledger.openErrands()).some(
      (one) => one.task.kind === 'claim' && one.chain === chain && one.token === token && one.to === receiver,
    )

  /** What a refund claimed on its way stays in the contract until a claim sweeps it to us. */
  const sweep = async (till: Till): Promise<void> => {
    const { asset, payTo } = till
    const { totalClaimed, totalSettled } = await facts.chainOf(asset.chain).received(payTo, asset.address)
    const key = channelKey(asset.chain, asset.address)
    if (totalClaimed === totalSettled) return void leftOver.delete(key)
    if (!leftOver.has(key)) leftOver.set(key, clock.now())
    const left = { charged: totalClaimed, balance: totalClaimed, claimed: totalSettled }
    const one = await ledger.channel(channels.anyOf(till) ?? '')
    if (!one || one.claiming || one.busy) return
    const waiting: Unclaimed = { channel: { ...one, ...left }, since: leftOver.get(key)!, withdrawing: false }
    if (dueClaims(facts.policy, [waiting], clock.now()).length === 0) return
    // A claim of what was claimed already changes nothing, and brings the sweep with it.
    const { id, config, claimed } = one
    await order(one, [{ channel: id, config, max: claimed, signature: '0x', from: claimed, total: claimed }])
  }

  const order = async (one: Channel, claims: readonly Claim[]): Promise<void> => {
    const { chain, token, decimals, config } = one
    const { receiver } = config
    if (claims.length === 0 || (await isClaiming(chain, token, receiver))) return
    const { totalClaimed, totalSettled } = await facts.chainOf(chain).received(receiver, token)
    const more = claims.reduce((sum, { from, total }) => sum + total - from, 0n)
    const errand: Errand = {
      is: 'errand',
      id: newErrandId(),
      chain,
      token,
      decimals,
      payer: receiver,
      from: BATCH_SETTLEMENT,
      to: receiver,
      amount: totalClaimed - totalSettled + more,
      at: clock.now(),
      validAfter: 0n,
      validBefore: 0n,
      settlement: { at: 'due' },
      task: { kind: 'claim', receiver, claims },
    }
    if (await isRefused(errand))
      return claims.length > 1 ? orderSound(one, claims, errand) : refuse(claims[0]!)
    facts.probe('C1')
    const posted = await facts.settlerOf(chain).order(errand)
    facts.probe('C2')
    if (posted.ok)
      log.info('claim', { errand: errand.id, channels: claims.length, units: errand.amount.toString() })
  }

  /** One bad voucher must not stop the others: each is tried by itself, and what fails is left out. */
  const orderSound = async (one: Channel, claims: readonly Claim[], errand: Errand): Promise<void> => {
    const sound: Claim[] = []
    for (const claim of claims) {
      const alone: Errand = { ...errand, task: { kind: 'claim', receiver: errand.to, claims: [claim] } }
      if (await isRefused(alone)) refuse(claim)
      else sound.push(claim)
    }
    if (sound.length < claims.length) await order(one, sound)
    else log.error('claims_refused', { chain: one.chain, channels: claims.length })
  }

  const isRefused = async (errand: Errand): Promise<boolean> => {
    const { to, data } = actionOf(errand, facts.settler)
    return facts.chainOf(errand.chain).reverts(to, data, facts.settler)
  }

  const refuse = ({ channel, from, total }: Claim): void => {
    refused.set(channel, clock.now() + REFUSED_MS)
    log.error('claim_refused', { channel, units: (total - from).toString() })
  }

  const mayClaim = ({ id, busy, claiming }: Channel): boolean =>
    // A refund claims on its own way.
    claiming === undefined && !busy?.startsWith('errand_') && (refused.get(id) ?? 0) <= clock.now()

  const pass = async (now: boolean): Promise<void> => {
    const open = await owing()
    if (now || clock.now() - looked >= lookMs) await look(open)
    const current = await owing()
    const waiting = current.filter(mayClaim).map((channel): Unclaimed => {
      return { channel, since: since.get(channel.id)!, withdrawing: withdrawing.has(channel.id) }
    })
    for (const group of dueClaims(facts.policy, waiting, clock.now()))
      await order(
        group[0]!,
        group.map(claimOf).filter((claim) => claim !== undefined),
      )
  }

  const tick = async (now?: 'now'): Promise<void> => {
    if (now) await running
    running ??= pass(now !== undefined)
      .catch((error) => log.warn('keeper_failed', { why: reasonOf(error) }))
      .finally(() => {
        running = undefined
      })
    return running
  }

  const schedule = () => {
    timer = setTimeout(() => void tick().then(() => timer && schedule()), EVERY_MS)
    timer.unref()
  }

  return {
    tick,
    start: schedule,
    stop: async () => {
      clearTimeout(timer)
      timer = undefined
      await running
    },
  }
}

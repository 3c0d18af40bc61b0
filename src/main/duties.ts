import { recover } from '../call/recover.ts'
import type { ChannelDesk } from '../channel/desk.ts'
import type { Payouts } from '../payment/payout.ts'
import type { Elected } from '../settle/elected.ts'
import { createIntake } from '../settle/intake.ts'
import type { Base } from './base.ts'

/** What only one instance does at a time: settle, claim channels, pay out, reconcile, and end what dead ones left. */
export type Duty = { start: () => void; stop: () => Promise<void> }
export type Duties = { start: () => Promise<void>; stop: () => Promise<void> }

export type DutyFacts = {
  base: Base
  keeper: ChannelDesk['keeper']
  payouts: Payouts
  /** Compares chains and ledger until it is stopped. */
  reconcile: () => { stop: () => Promise<void> }
  /** What else is done beside. */
  beside: readonly Duty[]
}

/** How often it is looked whether an instance has died, ms. */
const LOOK_MS = 2_000
/** A store that was lost has forgotten who is alive: nobody is dead before it had time to say so, ms. */
const SILENT_MS = 4_000
/** Also without a death, everything is looked through so often, ms: a claim may be nobody's after an outage. */
const SWEEP_MS = 60_000

/** The duties of one who is alone: what an earlier process left was taken over before the first call. */
export const loneDuties = ({ keeper, payouts, reconcile, beside }: Omit<DutyFacts, 'base'>): Duties => {
  let reconcilers: { stop: () => Promise<void> } | undefined
  return {
    start: async () => {
      keeper.start()
      payouts.start()
      reconcilers = reconcile()
      for (const one of beside) one.start()
    },
    stop: async () => {
      // Money first: nobody waits for what is only told.
      const others = Promise.all(beside.map((one) => one.stop()))
      await reconcilers?.stop()
      await payouts.stop()
      await keeper.stop()
      await others
    },
  }
}

/** The duties of the leader of a fleet. */
export const leadDuties = (facts: DutyFacts): Duties => {
  const { ledger, clock, log, settlers, fleet } = facts.base
  const elected = [...settlers.values()] as Elected[]
  const lone = loneDuties(facts)
  const intake = createIntake({ ledger, clock, log, settlers, whole: fleet.whole })
  /** Since when an instance that has calls open is not heard of, ms. */
  const silent = new Map<string, number>()
  let known: ReadonlySet<string> | undefined
  let swept = 0
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> | undefined

  const look = async (): Promise<void> => {
    if (!(await fleet.whole())) {
      // Who is alive was forgotten with all else.
      silent.clear()
      known = undefined
      return
    }
    const names = await fleet.alive.names()
    const now = clock.now()
    const isGone = (name: string): boolean => {
      if (names.has(name)) silent.delete(name)
      else if (!silent.has(name)) silent.set(name, now)
      return now - (silent.get(name) ?? now) >= SILENT_MS
    }
    const died = known === undefined || [...known].some((name) => !names.has(name))
    if (died || silent.size > 0 || now - swept > SWEEP_MS) {
      const ended = await recover(ledger, clock, ({ by }) => by === undefined || isGone(by))
      if (ended > 0) log.warn('recovered', { calls: ended })
      await intake.sweep()
      swept = now
    }
    for (const [name, since] of silent) if (names.has(name) || now - since > SWEEP_MS) silent.delete(name)
    known = names
  }
  const again = () => {
    looking = look()
      .catch((error) => log.warn('fleet_not_seen', { why: String(error) }))
      .finally(() => {
        if (timer) timer = setTimeout(again, LOOK_MS)
      })
  }

  return {
    start: async () => {
      if (!(await fleet.whole())) throw new Error('the store is being healed')
      await intake.open()
      await Promise.all(elected.map((one) => one.lead()))
      intake.start()
      await lone.start()
      timer = setTimeout(again, 0)
    },
    stop: async () => {
      clearTimeout(timer)
      timer = undefined
      known = undefined
      await looking
      await lone.stop()
      await intake.stop()
      await Promise.all(elected.map((one) => one.follow()))
    },
  }
}

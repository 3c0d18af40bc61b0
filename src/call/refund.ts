import type { Clock } from '../clock.ts'
import { billOf, type Call } from '../ledger/call.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { type Log, reasonOf } from '../log.ts'
import type { Tally } from '../store/tally.ts'
import { surely } from './end.ts'

/** Gives charges back for answers that never arrived. Each call at most once: the ledger sees to that. */
export type Refunds = {
  /** The answer of a call did not arrive: whether its charge is credit now. Never rejects: while the ledger is away it is tried again. */
  lost: (call: Call, why: string) => Promise<boolean>
  /** The caller of a billed call came back for its answer: whether the charge is credit, also because it must have been lost when an earlier process died. */
  recall: (call: Call) => Promise<boolean>
}

export type RefundFacts = {
  ledger: Pick<Ledger, 'post'>
  clock: Clock
  log: Log
  /** What happens with the charge of an answer that was lost. */
  policy: 'credit' | 'none'
  /** So many refunds of one payer in a day from the first. */
  perDay: number
  tally: Tally
  /** When this process started, ms. */
  started: number
  /** When an earlier process last ended in order, ms: until then every answer was delivered or its loss noticed. */
  closed: number
  /** Among several instances: whether the one that served a call died and could not notice the loss. */
  died?: (instance: string) => Promise<boolean>
}

/** How long after its bill a lost answer is still asked for, ms. */
const RECALL_MS = 15 * 60_000
const DAY_MS = 86_400_000

export const createRefunds = (facts: RefundFacts): Refunds => {
  const { ledger, clock, log } = facts
  const giveBack = async (call: Call, why: string): Promise<boolean> => {
    // As it is known here; what has changed since, the ledger knows.
    const bill = billOf(call)
    if (bill?.charged === 0n) return false
    if (bill?.refunded !== undefined) return true
    if (facts.policy === 'none') return false
    // Counted before the wait, so that many at once cannot pass.
    const counted = `refund ${call.payer}`
    if (!(await facts.tally.take(counted, facts.perDay, DAY_MS))) {
      log.warn('refund_limit', { call: call.id, payer: call.payer })
      return false
    }
    const posted = await ledger.post({ type: 'refund', id: call.id, why }).catch(async (error) => {
      await facts.tally.giveBack(counted).catch(() => {})
      throw error
    })
    const after = posted.ok || posted.why === 'stale' ? posted.call : undefined
    if (posted.ok) log.info('refunded', { call: call.id, payer: call.payer, why })
    else await facts.tally.giveBack(counted)
    return after !== undefined && billOf(after)?.refunded !== undefined
  }

  const diedWith = async (call: Call): Promise<boolean> => {
    const bill = billOf(call)
    if (!bill || call.stream) return false
    if (facts.died) return clock.now() - bill.at <= RECALL_MS && call.by !== undefined && facts.died(call.by)
    return bill.at > facts.closed && bill.at < facts.started && clock.now() - bill.at <= RECALL_MS
  }

  return {
    lost: (call, why) =>
      surely(facts, () => giveBack(call, why)).catch((error) => {
        log.error('refund_waits', { call: call.id, why: reasonOf(error) })
        return false
      }),
    recall: async (call) => {
      if (billOf(call)?.refunded !== undefined) return true
      return (await diedWith(call)) ? giveBack(call, 'lost in a crash') : false
    },
  }
}

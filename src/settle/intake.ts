import type { ChainId } from '../assets.ts'
import type { Clock } from '../clock.ts'
import { isSettling } from '../ledger/call.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { idsOf, type Move, type Payable } from '../ledger/moves.ts'
import { payableOf } from '../ledger/payable.ts'
import { type Log, reasonOf } from '../log.ts'
import type { Settler } from './settler.ts'

/** What other instances say is to be settled, read from the journal that they share. */
export type Intake = {
  /** Remembers where the journal ends: what stands before is read by the settlers themselves. */
  open: () => Promise<void>
  start: () => void
  /** Looks through all that is open, for what the journal did not tell in time. */
  sweep: () => Promise<void>
  stop: () => Promise<void>
}

export type IntakeFacts = {
  ledger: Pick<Ledger, 'lines' | 'journal' | 'call' | 'errand' | 'open' | 'openErrands'>
  clock: Clock
  log: Log
  settlers: ReadonlyMap<ChainId, Pick<Settler, 'adopt' | 'has'>>
  /** Whether the ledger holds all that it ever will of what is in it: not while a store that was lost is written again. */
  whole: () => Promise<boolean>
}

const EVERY_MS = 50
const PAGE = 200

/** Follows the journal from its end on, and hands what is due to the settler of its chain. */
export const createIntake = ({ ledger, clock, log, settlers, whole }: IntakeFacts): Intake => {
  let seq = 0
  let running: Promise<void> | undefined
  let stopping = new AbortController()

  const adopt = async (id: string): Promise<void> => {
    const item = await payableOf(ledger, id)
    if (item) await settlers.get(item.chain)?.adopt(item)
  }

  const look = async (): Promise<boolean> => {
    // Without the transaction that it has already, a payout would be paid by another one.
    if (!(await whole())) return false
    const lines = await ledger.journal(seq, PAGE)
    const ids = new Set(lines.filter(({ move }) => isDue(move)).flatMap(({ move }) => idsOf(move)))
    const fresh = [...ids].filter((id) => ![...settlers.values()].some((one) => one.has(id)))
    await Promise.all(fresh.map(adopt))
    // A journal that was rebuilt may be shorter than it was.
    seq = lines.at(-1)?.seq ?? Math.min(seq, await ledger.lines())
    return lines.length === PAGE
  }

  const run = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      const more = await look().catch((error) => {
        log.warn('intake_failed', { why: reasonOf(error) })
        return false
      })
      if (!more) await clock.sleep(EVERY_MS)
    }
  }

  return {
    open: async () => {
      seq = await ledger.lines()
    },
    sweep: async () => {
      const items: Payable[] = [...(await ledger.open()), ...(await ledger.openErrands())]
      for (const item of items) {
        const settler = settlers.get(item.chain)
        if (isSettling(item) && settler && !settler.has(item.id)) await settler.adopt(item)
      }
    },
    start: () => {
      stopping = new AbortController()
      running = run(stopping.signal)
    },
    stop: async () => {
      stopping.abort()
      await running
    },
  }
}

/** Its money is on its way from then on: also of what a store is told once more after it was lost. */
const isDue = (move: Move): boolean => {
  if (move.type === 'stream' || move.type === 'bill') return move.due === true || move.tx !== undefined
  return move.type === 'due' || move.type === 'order' || move.type === 'settle'
}

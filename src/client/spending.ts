import { type Clock, systemClock } from '../clock.ts'
import { NO_MONEY, type Usd } from '../money.ts'

/** Micro-dollars. Everything that may have left the wallet is counted: `reserved` is signed and open, `spent` has been taken. */
export type Totals = {
  reserved: Usd
  spent: Usd
  /** What routers billed, as receipts say; the rest of `spent` is credit with them. */
  charged: Usd
  /** Reserved and spent within the last 60 minutes. */
  lastHour: Usd
  maxPerHour: Usd | undefined
  maxTotal: Usd
}

/**
 * Money set aside for one authorization. The first of `spend` and `release` holds; anything after it does nothing. `lower`
 * counts less for it from now on, where it is certain that no more was taken; once.
 */
export type Hold = {
  spend: () => void
  release: () => void
  lower: (usd: Usd) => void
  charge: (usd: Usd) => void
}

export type Spending = {
  /** Sets `usd` aside in one step, so that no number of calls at once passes a limit; else says which limit and what is left. */
  reserve: (usd: Usd) => { ok: true; hold: Hold } | { ok: false; limit: 'maxPerHour' | 'maxTotal'; left: Usd }
  totals: () => Totals
}

const HOUR_MS = 3_600_000

/**
 * Counts one wallet's spending, in this process only; hand one to several `payingFetch` so that they share its limits.
 * A release is the router's word that it will not use an authorization: nothing on the chain proves it.
 */
export const openSpending = (limits: {
  maxTotal: Usd
  maxPerHour?: Usd | undefined
  clock?: Clock
}): Spending => {
  const { maxTotal, maxPerHour, clock = systemClock } = limits
  let reserved = 0n
  let spent = 0n
  let charged = 0n
  let lastHour = 0n
  const recent = new Map<object, { usd: Usd; at: number }>()

  // In the order of reservation, so the oldest come first.
  const forgetOld = (): void => {
    const limit = clock.now() - HOUR_MS
    for (const [key, { usd, at }] of recent) {
      if (at > limit) return
      recent.delete(key)
      lastHour -= usd
    }
  }

  const open = (usd: Usd): Hold => {
    const key = {}
    let state: 'reserved' | 'spent' | 'released' = 'reserved'
    let lowered = false
    reserved += usd
    lastHour += usd
    recent.set(key, { usd, at: clock.now() })
    return {
      spend: () => {
        if (state !== 'reserved') return
        state = 'spent'
        reserved -= usd
        spent += usd
      },
      release: () => {
        if (state !== 'reserved') return
        state = 'released'
        reserved -= usd
        if (recent.delete(key)) lastHour -= usd
      },
      lower: (less) => {
        if (state !== 'spent' || less >= usd || lowered) return
        lowered = true
        spent -= usd - less
        const entry = recent.get(key)
        if (!entry) return
        lastHour -= usd - less
        entry.usd = less
      },
      charge: (bill) => {
        charged += bill
      },
    }
  }

  return {
    reserve: (usd) => {
      forgetOld()
      const leftInAll = maxTotal - reserved - spent
      if (usd > leftInAll) return { ok: false, limit: 'maxTotal', left: atLeastZero(leftInAll) }
      const leftThisHour = maxPerHour === undefined ? usd : maxPerHour - lastHour
      if (usd > leftThisHour) return { ok: false, limit: 'maxPerHour', left: atLeastZero(leftThisHour) }
      return { ok: true, hold: open(usd) }
    },
    totals: () => {
      forgetOld()
      return {
        reserved: reserved as Usd,
        spent: spent as Usd,
        charged: charged as Usd,
        lastHour: lastHour as Usd,
        maxPerHour,
        maxTotal,
      }
    },
  }
}

const atLeastZero = (value: bigint): Usd => (value > 0n ? (value as Usd) : NO_MONEY)

import type { Clock } from '../clock.ts'
import { pricedOn } from '../config/catalog.ts'
import type { Config } from '../config.ts'
import type { Reload } from './reload.ts'

/** Takes over prices that change on a known day, and lets go of models that end on one. */
export type PriceWatch = {
  /** Looks whether such a day has come; resolves when its prices hold. */
  check: () => Promise<void>
  stop: () => void
}

export type PriceWatchFacts = { live: Config; reload: Reload; clock: Clock }

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000

/** Looks at the begin of each day (UTC) and every hour; open quotes keep their prices, as with any change of the configuration. */
export const watchPrices = ({ live, reload, clock }: PriceWatchFacts): PriceWatch => {
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  const check = async (): Promise<void> => {
    const today = dayOf(clock.now())
    if (live.nextPriceChange !== undefined && live.nextPriceChange <= today)
      await reload(() => pricedOn(live, today))
  }
  const wait = (): void => {
    if (stopped) return
    timer = setTimeout(() => void check().finally(wait), Math.min(HOUR_MS, DAY_MS - (clock.now() % DAY_MS)))
    timer.unref()
  }
  wait()
  return {
    check,
    stop: () => {
      stopped = true
      clearTimeout(timer)
    },
  }
}

/** The day of a moment, YYYY-MM-DD in UTC. */
const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

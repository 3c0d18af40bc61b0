/** metrics: what operators want to know, counted in memory and read by Prometheus. What is counted stands in metrics/families.ts. */
import { collectDefaultMetrics, Registry } from 'prom-client'
import { type Cell, openFamily } from './metrics/cells.ts'
import { FAMILIES, type Labels, type Of } from './metrics/families.ts'

export type Metrics = {
  /** Adds one, or as many as it says. */
  count: <K extends Of<'counter'>>(family: K, labels: Labels<K>, by?: number) => void
  observe: <K extends Of<'histogram'>>(family: K, labels: Labels<K>, value: number) => void
  set: <K extends Of<'gauge'>>(family: K, labels: Labels<K>, value: number) => void
  /** Runs at each scrape; what takes longer than two seconds, or rejects, is left as it was. */
  onScrape: (read: () => Promise<void> | void) => void
  /** The exposition, and its media type. */
  scrape: () => Promise<{ text: string; type: string }>
}

const SCRAPE_MS = 2_000

/** Counts from now on; each call counts for itself. */
export const createMetrics = (): Metrics => {
  const registry = new Registry()
  const readers: (() => Promise<void> | void)[] = []
  const families = Object.fromEntries(
    Object.entries(FAMILIES).map(([name, family]) => [name, openFamily(name, family, registry)]),
  ) as Record<keyof typeof FAMILIES, (labels: readonly string[]) => Cell>
  let ofProcess = false
  return {
    count: (family, labels, by = 1) => families[family](labels).take(by),
    observe: (family, labels, value) => families[family](labels).take(value),
    set: (family, labels, value) => families[family](labels).take(value),
    onScrape: (read) => void readers.push(read),
    scrape: async () => {
      // Only where somebody looks: it starts timers of its own.
      if (!ofProcess) collectDefaultMetrics({ register: registry })
      ofProcess = true
      await Promise.all(readers.map((read) => within(SCRAPE_MS, read)))
      return { text: await registry.metrics(), type: registry.contentType }
    },
  }
}

const within = async (ms: number, read: () => Promise<void> | void): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  try {
    await Promise.race([read(), late])
  } catch {
    // What it would have said is unknown; the last word stays.
  } finally {
    clearTimeout(timer)
  }
}

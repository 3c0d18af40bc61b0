/** Serves at a fixed rate for minutes and looks for what grows: memory, descriptors, waiting times. */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { order, type Payment, show } from './load.ts'
import { type FleetSite, fund } from './site.ts'

/** One look at one process. `heap` in bytes where the process tells it. */
export type Sample = { at: number; rss: number; descriptors: number; heap?: number }

export type Watched = { name: string; pid: number; metrics?: string }

/** What one measure did: its line through all samples after the warm-up, in units a minute, and as a share of where it began. */
export type Slope = { from: number; to: number; perMinute: number; share: number }

export type SoakVerdict = {
  name: string
  rss: Slope
  descriptors: Slope
  heap?: Slope
  problems: string[]
}

/** Resident bytes and open descriptors of a process, as the system tells; undefined when it has ended. */
export const look = async ({ pid, metrics }: Watched): Promise<Sample | undefined> => {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
    const descriptors = readdirSync(`/proc/${pid}/fd`).length
    const heap = metrics === undefined ? undefined : await heapAt(metrics)
    return { at: Date.now(), rss: pages * 4096, descriptors, ...(heap !== undefined && { heap }) }
  } catch {
    return undefined
  }
}

const heapAt = async (url: string): Promise<number | undefined> => {
  const text = await fetch(url).then((answer) => answer.text())
  const found = /^nodejs_heap_size_used_bytes (\S+)$/m.exec(text)?.[1]
  return found === undefined ? undefined : Number(found)
}

/** Looks at processes every so often until it is stopped. */
export const watchProcesses = (watched: readonly Watched[], everyMs: number) => {
  const samples = new Map<string, Sample[]>(watched.map(({ name }) => [name, []]))
  let stopped = false
  const running = (async () => {
    while (!stopped) {
      for (const one of watched) {
        const seen = await look(one)
        if (seen) samples.get(one.name)!.push(seen)
      }
      await sleep(everyMs)
    }
  })()
  return {
    stop: async () => {
      stopped = true
      await running
      return samples
    },
  }
}

/** The line that fits samples best, by least squares. */
export const slopeOf = (points: readonly (readonly [at: number, value: number])[]): Slope => {
  const n = points.length
  const minutes = points.map(([at]) => (at - (points[0]?.[0] ?? 0)) / 60_000)
  const mean = (values: readonly number[]) => values.reduce((sum, one) => sum + one, 0) / Math.max(1, n)
  const [x, y] = [mean(minutes), mean(points.map(([, value]) => value))]
  const square = minutes.reduce((sum, one) => sum + (one - x) ** 2, 0)
  const product = minutes.reduce((sum, one, i) => sum + (one - x) * (points[i]![1] - y), 0)
  const perMinute = square === 0 ? 0 : product / square
  const from = y - perMinute * x
  const to = from + perMinute * (minutes.at(-1) ?? 0)
  return { from, to, perMinute, share: from === 0 ? 0 : (to - from) / from }
}

/** Growth over the whole run that a healthy process may show. */
export type Allowed = { rssShare: number; rssBytes: number; descriptors: number }

export const ALLOWED: Allowed = { rssShare: 0.25, rssBytes: 48 << 20, descriptors: 40 }

/** Judges the samples of one process; the first third is its warm-up. */
export const judgeSoak = (
  name: string,
  samples: readonly Sample[],
  allowed: Allowed = ALLOWED,
): SoakVerdict => {
  const settled = samples.slice(Math.floor(samples.length / 3))
  const rss = slopeOf(settled.map((one) => [one.at, one.rss]))
  const descriptors = slopeOf(settled.map((one) => [one.at, one.descriptors]))
  const heaps = settled.flatMap((one) => (one.heap === undefined ? [] : [[one.at, one.heap] as const]))
  const grown = rss.to - rss.from
  const problems = [
    ...(samples.length < 6 ? [`${name}: only ${samples.length} samples`] : []),
    ...(grown > allowed.rssBytes && rss.share > allowed.rssShare
      ? [`${name}: memory grew by ${mb(grown)} MB, ${mb(rss.perMinute)} MB a minute`]
      : []),
    ...(descriptors.to - descriptors.from > allowed.descriptors
      ? [
          `${name}: ${Math.round(descriptors.to - descriptors.from)} more descriptors, ${descriptors.perMinute.toFixed(1)} a minute`,
        ]
      : []),
  ]
  return { name, rss, descriptors, ...(heaps.length > 1 && { heap: slopeOf(heaps) }), problems }
}

export type SoakFacts = { site: FleetSite; seconds: number; rate: number; tell?: (line: string) => void }

export type SoakResult = {
  calls: number
  failed: Record<string, number>
  /** 99th percentile of a paid call, ms, for each minute. */
  p99: number[]
  verdicts: SoakVerdict[]
  problems: string[]
}

/** Paid calls at a fixed rate, half of them streams, while the instances are watched. */
export const runSoak = async ({ site, seconds, rate, tell = () => {} }: SoakFacts): Promise<SoakResult> => {
  const calls = Math.round(seconds * rate)
  const accounts = await fund(site, calls)
  const watched = site.fleet.instances.map(({ url, process }, i) => ({
    name: `instance ${i}`,
    pid: process!.pid,
    metrics: `${url}/metrics`,
  }))
  const watching = watchProcesses(watched, Math.min(2_000, (seconds * 1000) / 20))
  const took: [minute: number, ms: number][] = []
  const failed: Record<string, number> = {}
  const began = Date.now()
  const buying = accounts.map(async (account, i) => {
    await sleep((i * 1000) / rate)
    const from = performance.now()
    const word = await buyOnce(site, account, i).catch(() => undefined)
    took.push([Math.floor((Date.now() - began) / 60_000), performance.now() - from])
    if (!word?.whole)
      failed[word?.code ?? String(word?.status ?? 'no price')] =
        (failed[word?.code ?? String(word?.status ?? 'no price')] ?? 0) + 1
  })
  await Promise.all(buying)
  const samples = await watching.stop()
  const p99 = [...Map.groupBy(took, ([minute]) => minute)].map(([, all]) =>
    percentile(
      all.map(([, ms]) => ms),
      0.99,
    ),
  )
  const verdicts = [...samples].map(([name, seen]) => judgeSoak(name, seen))
  for (const one of verdicts) tell(printSoak(one))
  tell(`p99 by minute: ${p99.map((ms) => `${Math.round(ms)} ms`).join(', ')}`)
  const lost = Object.values(failed).reduce((sum, one) => sum + one, 0)
  const problems = [
    ...verdicts.flatMap((one) => one.problems),
    ...(lost > 0 ? [`${lost} of ${calls} calls failed: ${JSON.stringify(failed)}`] : []),
  ]
  return { calls, failed, p99, verdicts, problems }
}

const buyOnce = async (site: FleetSite, account: Parameters<typeof order>[0]['account'], i: number) => {
  const chat = site.fleet.chat
  const payment: Payment = await order({
    chat,
    account,
    way: 'exact-3009',
    stream: i % 2 === 1,
    tag: `tag-soak-${i}`,
  })
  return show(chat, payment)
}

export const percentile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

const mb = (bytes: number): string => (bytes / (1 << 20)).toFixed(1)

/** A verdict as a line. */
export const printSoak = ({ name, rss, descriptors, heap, problems }: SoakVerdict): string =>
  [
    `${problems.length === 0 ? 'ok ' : 'BAD'} ${name}: memory ${mb(rss.from)} → ${mb(rss.to)} MB (${mb(rss.perMinute)} a minute)`,
    heap && `heap ${mb(heap.from)} → ${mb(heap.to)} MB`,
    `descriptors ${descriptors.from.toFixed(0)} → ${descriptors.to.toFixed(0)}`,
  ]
    .filter((part) => part !== undefined)
    .join(', ')

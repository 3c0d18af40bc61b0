import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Answer } from './answer.ts'
import { escaped, inputOf } from './inputs.ts'
import { judge } from './judge.ts'
import { openLane } from './lane.ts'
import { fillStock, type Stock } from './stock.ts'
import { type Input, whole } from './wire.ts'

/** The router under fire, as `Site` has it. */
export type Target = {
  url: string
  secrets: readonly string[]
  troubles: () => Promise<string[]>
  starved: () => number
}

export type FuzzFacts = {
  target: Target
  seed: number
  count: number
  /** Where to begin; the same seed and index make the same input. */
  from?: number
  /** Connections at once. */
  parallel?: number
  /** Told now and then how many were sent. */
  progress?: (sent: number) => void
  /** Stops as soon as this many are wrong. */
  most?: number
  /** An end before the count, epoch ms. */
  until?: number
}

export type Failure = { seed: number; index: number; kind: string; problems: string[]; bytes: string }

export type Fuzzed = {
  sent: number
  ms: number
  /** How often each refusal was told: how deep the inputs get. */
  codes: Record<string, number>
  /** How many of each kind, and which statuses they were answered with. */
  kinds: Record<string, { sent: number; statuses: Record<string, number> }>
  failures: Failure[]
  /** What is wrong apart from answers. */
  troubles: string[]
  /** Longest wait for the process to answer a ping, less what either side waited for a processor, ms. */
  blockedMs: number
}

const FRESH_MS = 20_000
const LOOK_EVERY = 500
/** The process may not be deaf for longer. */
const DEAF_MS = 1_000

/** Sends what a seed makes of the indexes from `from` on, and judges every answer and what is seen behind the router. */
export const runFuzz = async (facts: FuzzFacts): Promise<Fuzzed> => {
  const { target, seed, count, from = 0, parallel = 32, most = 10, until = Number.POSITIVE_INFINITY } = facts
  const done: Fuzzed = { sent: 0, ms: 0, codes: {}, kinds: {}, failures: [], troubles: [], blockedMs: 0 }
  const began = performance.now()
  const stock = await keepStock(target.url, seed)
  const ping = startPing(target, (deaf) => {
    done.troubles.push(deaf)
  })
  let next = from
  const over = () =>
    next >= from + count || done.failures.length >= most || done.troubles.length > 0 || Date.now() >= until

  const one = async (lane: ReturnType<typeof openLane>, index: number): Promise<void> => {
    const input = await inputOf(seed, index, await stock())
    const exchange = await lane.exchange(input)
    note(done, input, exchange.answers)
    const problems = judge(input, exchange, target.secrets)
    if (problems.length === 0) return
    done.failures.push({ seed, index, kind: input.kind, problems, bytes: shown(input) })
  }
  const work = async (): Promise<void> => {
    const lane = openLane(target.url, target.starved)
    while (!over()) {
      await one(lane, next++)
      done.sent++
      if (done.sent % LOOK_EVERY === 0) {
        facts.progress?.(done.sent)
        done.troubles.push(...(await target.troubles()))
      }
    }
    lane.close()
  }
  await Promise.all(Array.from({ length: parallel }, work))
  const longest = await ping.stop()
  if (done.troubles.length === 0) done.troubles = await target.troubles()
  return { ...done, blockedMs: Math.round(longest), ms: Math.round(performance.now() - began) }
}

/** A line for each thing that is wrong, with what it takes to see it again. */
export const explained = ({ failures, troubles }: Pick<Fuzzed, 'failures' | 'troubles'>): string[] => [
  ...failures.map(
    ({ seed, index, kind, problems, bytes }) =>
      `SEED=${seed} ONLY=${index} (${kind}): ${problems.join('; ')}\n    ${bytes}`,
  ),
  ...troubles,
]

const note = ({ kinds, codes }: Fuzzed, { kind }: Input, answers: readonly Answer[]): void => {
  for (const { body } of answers) {
    const code = /"code":"(\w+)"/.exec(body.toString('latin1'))?.[1]
    if (code !== undefined) codes[code] = (codes[code] ?? 0) + 1
  }
  kinds[kind] ??= { sent: 0, statuses: {} }
  const row = kinds[kind]
  row.sent++
  const heard = answers.length === 0 ? ['none'] : answers.map(({ status }) => String(status))
  for (const status of heard) row.statuses[status] = (row.statuses[status] ?? 0) + 1
}

const shown = ({ writes }: Input): string => {
  const text = escaped(Buffer.concat(writes))
  return text.length > 6000 ? `${text.slice(0, 5000)} … ${text.slice(-900)} (${text.length} in all)` : text
}

// Quotes expire; whoever comes first after that time fetches new ones for all.
const keepStock = async (url: string, seed: number): Promise<() => Promise<Stock>> => {
  let filled = Date.now()
  let stock = Promise.resolve(await fillStock(url, seed))
  return () => {
    if (Date.now() - filled > FRESH_MS) {
      filled = Date.now()
      const old = stock
      // The old one serves until the new one is there.
      void fillStock(url, seed).then(
        (fresh) => {
          stock = Promise.resolve(fresh)
        },
        () => {},
      )
      return old
    }
    return stock
  }
}

const startPing = ({ url, starved }: Target, tell: (deaf: string) => void) => {
  const lane = openLane(url, starved)
  const own = monitorEventLoopDelay({ resolution: 5 })
  own.enable()
  let longest = 0
  let on = true
  const run = async (): Promise<void> => {
    while (on) {
      own.reset()
      const hungry = starved()
      const { ms, problem, answers } = await lane.exchange(
        whole('ping', { method: 'GET', target: '/healthz', headers: [] }),
      )
      const late = own.max > 0 && Number.isFinite(own.max) ? own.max / 1e6 : 0
      // What either of us waited for a processor says nothing about it.
      const waited = Math.max(0, ms - late - (starved() - hungry))
      longest = Math.max(longest, waited)
      if (waited > DEAF_MS) tell(`it did not answer a ping for ${Math.round(waited)} ms`)
      if (problem !== undefined || answers[0]?.status !== 200)
        tell(`a ping was answered ${problem ?? answers[0]?.status}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  const running = run()
  return {
    stop: async () => {
      on = false
      await running
      own.disable()
      lane.close()
      return longest
    },
  }
}

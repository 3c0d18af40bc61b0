import type { ServerProcess } from './process.ts'
import type { Shots } from './shoot.ts'
import { median } from './stats.ts'

/** One contestant under one load, measured once. Times in ms; `cpuMs`: what its process used for each call. */
export type Sample = {
  perSecond: number
  p50: number
  p99: number
  firstByte: number
  cpuMs: number | null
  count: number
  /** Answers of any other status, which count for nothing. */
  failed: number
  /** Requests to the chain's node while the calls ran, for each of them: head, settlements and proofs of all calls. */
  nodeRequests?: number
}
/** The medians of its rounds, and the rounds. */
export type Row = { load: string; who: string; c: number } & Sample & { rounds: Sample[] }

/** Where measurements are kept; rounds of the same load, contestant and concurrency become one row. */
export type Book = {
  add: (load: string, who: string, c: number, sample: Sample) => void
  rows: () => Row[]
  find: (load: string, who: string, c: number) => Row | undefined
}

/** An empty book; `say` hears of every sample. */
export const createBook = (say: (line: string) => void): Book => {
  const entries = new Map<string, { load: string; who: string; c: number; rounds: Sample[] }>()
  const rows = () => [...entries.values()].map(toRow)
  return {
    add: (load, who, c, sample) => {
      const key = `${load} ${who} ${c}`
      const entry = entries.get(key) ?? { load, who, c, rounds: [] }
      entry.rounds.push(sample)
      entries.set(key, entry)
      const cpu = sample.cpuMs === null ? '' : `, ${sample.cpuMs.toFixed(2)} ms CPU a call`
      say(
        `${load}, ${who}, c=${c}: ${sample.perSecond.toFixed(0)}/s, p50 ${sample.p50.toFixed(2)} ms, p99 ${sample.p99.toFixed(1)} ms${cpu}`,
      )
    },
    rows,
    find: (load, who, c) => rows().find((row) => row.load === load && row.who === who && row.c === c),
  }
}

const toRow = ({ load, who, c, rounds }: { load: string; who: string; c: number; rounds: Sample[] }): Row => {
  const of = (pick: (sample: Sample) => number) => median(rounds.map(pick))
  return {
    load,
    who,
    c,
    perSecond: of((one) => one.perSecond),
    p50: of((one) => one.p50),
    p99: of((one) => one.p99),
    firstByte: of((one) => one.firstByte),
    cpuMs: rounds.some((one) => one.cpuMs === null) ? null : of((one) => one.cpuMs ?? 0),
    count: rounds.reduce((sum, one) => sum + one.count, 0),
    failed: rounds.reduce((sum, one) => sum + one.failed, 0),
    ...(rounds.some((one) => one.nodeRequests !== undefined) && {
      nodeRequests: of((one) => one.nodeRequests ?? 0),
    }),
    rounds,
  }
}

/** Runs one load and turns its answers of `status` into a sample; with a server, also what CPU it used for each. */
export const sampleOf = async (
  status: number,
  run: () => Promise<Shots>,
  server?: ServerProcess,
): Promise<Sample> => {
  const before = server ? await server.cpuMs() : 0
  const shots = await run()
  const used = server ? (await server.cpuMs()) - before : 0
  const good = shots.answers[status]
  if (!good) throw new Error(`no answer of ${status}: ${JSON.stringify(shots.answers)}`)
  return {
    perSecond: (good.count / shots.ms) * 1000,
    p50: good.latency.p50,
    p99: good.latency.p99,
    firstByte: good.firstByte.p50,
    cpuMs: server ? used / good.count : null,
    count: good.count,
    failed: shots.count - good.count,
  }
}

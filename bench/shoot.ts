import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'
import { type Spread, spreadOf } from './stats.ts'

export type Job = {
  url: string
  body: string
  headers: Readonly<Record<string, string>>
  concurrency: number
  /** One request for each of these, in order: headers of its own. Else the same request for `seconds`. */
  each?: readonly Readonly<Record<string, string>>[]
  seconds?: number
  /** ms between the first requests, so that as many equal answers do not keep coming in one burst. */
  stagger?: number
  /** Requests a second, begun by the clock whatever has been answered. */
  rate?: number
  /** Other origins that take the requests in turn with that of `url`. */
  also?: readonly string[]
  /** A response header to hand back, in the order of the requests. */
  keep?: string
}

/** Answers of one status; latencies in ms from the request to its first and to its last byte. */
export type Answers = { count: number; latency: Spread; firstByte: Spread; sample: string }
export type Shots = { count: number; ms: number; answers: Record<string, Answers>; kept: string[] }

type Shot = { status: number; first: number; total: number; kept: string }

/** Fires a job with a fixed number of requests in flight. */
export const shoot = async (job: Job): Promise<Shots> => {
  const { origin, pathname } = new URL(job.url)
  const pools = [origin, ...(job.also ?? [])].map(
    (one) => new Pool(one, { connections: job.concurrency, pipelining: 1 }),
  )
  const shots: Shot[] = []
  const samples: Record<string, string> = {}
  const end = job.seconds === undefined ? Number.POSITIVE_INFINITY : performance.now() + job.seconds * 1000
  let next = 0
  const send = async (i: number): Promise<void> => {
    const headers = { ...job.headers, ...job.each?.[i] }
    const pool = pools[i % pools.length]!
    shots[i] = await one(pool, { path: pathname, headers, body: job.body }, job, samples)
  }
  const lane = async (_: unknown, place: number): Promise<void> => {
    if (job.stagger) await sleep(job.stagger * place)
    while (job.each ? next < job.each.length : performance.now() < end) {
      await send(next++)
    }
  }
  const began = performance.now()
  await (job.rate ? byClock(job, send) : Promise.all(Array.from({ length: job.concurrency }, lane)))
  const ms = performance.now() - began
  await Promise.all(pools.map((pool) => pool.destroy()))
  const statuses = [...new Set(shots.map((shot) => shot.status))]
  const answers = Object.fromEntries(statuses.map((status) => [status, answersOf(shots, status, samples)]))
  return { count: shots.length, ms, answers, kept: job.keep ? shots.map((shot) => shot.kept) : [] }
}

/** Begins each request when it is due, also while others wait for their answers. */
const byClock = async (
  { rate = 1, each, seconds = 1 }: Job,
  send: (i: number) => Promise<void>,
): Promise<void> => {
  const count = each?.length ?? Math.ceil(rate * seconds)
  const began = performance.now()
  const running: Promise<void>[] = []
  for (let i = 0; i < count; i++) {
    const due = began + (i * 1000) / rate
    const wait = due - performance.now()
    if (wait > 0) await sleep(wait)
    running.push(send(i))
  }
  await Promise.all(running)
}

const answersOf = (shots: readonly Shot[], status: number, samples: Record<string, string>): Answers => {
  const some = shots.filter((shot) => shot.status === status)
  const latency = spreadOf(some.map((shot) => shot.total))
  return {
    count: some.length,
    latency,
    firstByte: spreadOf(some.map((shot) => shot.first)),
    sample: samples[status] ?? '',
  }
}

type Request = { path: string; headers: Record<string, string>; body: string }

const one = (
  pool: Pool,
  request: Request,
  { keep }: Pick<Job, 'keep'>,
  samples: Record<string, string>,
): Promise<Shot> =>
  new Promise((resolve) => {
    const began = performance.now()
    const shot: Shot = { status: 0, first: 0, total: 0, kept: '' }
    const done = () => {
      shot.total = performance.now() - began
      resolve(shot)
    }
    pool.dispatch(
      { ...request, method: 'POST' },
      {
        onRequestStart: () => {},
        onResponseStart: (_, status, headers) => {
          shot.status = status
          if (keep !== undefined) shot.kept = String(headers[keep] ?? '')
        },
        onResponseData: (_, chunk) => {
          if (shot.first === 0) shot.first = performance.now() - began
          if (samples[shot.status] === undefined) samples[shot.status] = chunk.toString('utf8', 0, 400)
        },
        onResponseEnd: done,
        onResponseError: (_, error) => {
          shot.status = 0
          samples[0] ??= error.message
          done()
        },
      },
    )
  })

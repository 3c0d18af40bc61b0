import { JSON_HEADERS, requestBody } from '../farebox.ts'
import { presign } from '../payments.ts'
import type { ServerProcess } from '../process.ts'
import type { Job } from '../shoot.ts'
import type { Spread } from '../stats.ts'
import type { World } from '../world.ts'
import { type Cast, CHAT, settled } from './cast.ts'
import { x402Payments } from './paid.ts'

/** One payment sent many times: what the upstream saw, the statuses, and how long a refusal took. */
export type Storm = {
  who: string
  sent: number
  c: number
  upstreamCalls: number
  statuses: Record<string, number>
  refusal: Spread
}

const TIMES = 1_000
/** The stock middleware lets every copy through; this many show it. */
const X402_TIMES = 50

/** Sends one payment 1,000 times at once; then the used payment 1,000 times again, 16 at a time. */
export const storms = async (cast: Cast): Promise<Storm[]> => {
  const { world, farebox, x402, payers } = cast
  const body = requestBody('bench/small')
  const ours = { url: `${farebox.url}${CHAT}`, body, headers: JSON_HEADERS }
  const [payment] = await presign(world, { ...ours, payers: payers.slice(0, 1) })
  const each = Array.from({ length: TIMES }, () => payment!)
  const found = [await storm(world, 'Farebox, all at once', { ...ours, each, concurrency: TIMES })]
  await settled(farebox)
  found.push(await storm(world, 'Farebox, used before', { ...ours, each, concurrency: 16 }))
  if (x402) {
    const theirs = { url: `${x402.url}${CHAT}`, body: requestBody('mock'), headers: JSON_HEADERS }
    const [signed] = await x402Payments(world, theirs.url, payers.slice(0, 1))
    const copies = Array.from({ length: X402_TIMES }, () => signed!)
    const job = { ...theirs, each: copies, concurrency: X402_TIMES }
    const stormed = await storm(world, '@x402/hono, all at once', job)
    world.tally.x402 += stormed.statuses[200] ?? 0
    found.push(stormed)
  }
  return found
}

/** Fires a job and counts what reached the upstream meanwhile. */
export const storm = async (world: World, who: string, job: Job): Promise<Storm> => {
  const before = await calls(world.upstream)
  const shots = await world.shoot(job)
  const statuses = Object.fromEntries(
    Object.entries(shots.answers).map(([status, { count }]) => [status, count]),
  )
  const refused = Object.entries(shots.answers).find(([status]) => status === '409' || status === '402')
  return {
    who,
    sent: shots.count,
    c: job.concurrency,
    upstreamCalls: (await calls(world.upstream)) - before,
    statuses,
    refusal: refused?.[1].latency ?? { p50: 0, p99: 0, max: 0 },
  }
}

const calls = (upstream: ServerProcess): Promise<number> => upstream.ask<number>('calls')

import { type Book, sampleOf } from '../book.ts'
import { JSON_HEADERS, requestBody } from '../farebox.ts'
import { inTurns } from '../payments.ts'
import { portkeyHeaders } from '../peers.ts'
import { type Cast, CHAT, settled } from './cast.ts'
import { ROWS, requestsOf } from './kinds.ts'
import { shootX402, x402Payments } from './paid.ts'

/** `sse paced`: 4 ms between chunks, for first bytes. `sse`: as fast as it goes, for throughput. */
export type StreamLoad = 'sse paced' | 'sse'

const KINDS_OF_STREAMS = ['credit', 'voucher', 'exact'] as const
const CALLS = { 'sse paced': { 1: 12, 16: 96 }, sse: { 1: 100, 16: 800 } } as const

/** One interleaved round of streamed answers. */
export const streamRound = async (cast: Cast, book: Book, load: StreamLoad, c: 1 | 16): Promise<void> => {
  const { world, farebox, portkey, x402, payers } = cast
  const calls = CALLS[load][c]
  const model = load === 'sse' ? 'mock' : 'mock-paced'
  // A paced answer takes about 95 ms: the requests of 16 callers are spread over it.
  const stagger = load === 'sse' ? 0 : 95 / c
  const same = { body: requestBody(model, { stream: true }), headers: JSON_HEADERS, concurrency: c, stagger }
  const repeat = Array.from({ length: calls }, () => ({}))
  const direct = { ...same, url: `${world.upstream.url}${CHAT}`, each: repeat }
  book.add(load, 'direct', c, await sampleOf(200, () => world.fire(direct, 200)))

  if (portkey) {
    const job = { ...same, url: `${portkey.url}${CHAT}`, headers: portkeyHeaders(world), each: repeat }
    book.add(load, 'Portkey', c, await sampleOf(200, () => world.fire(job, 200), portkey))
  }
  const body = requestBody(load === 'sse' ? 'bench/small' : 'bench/paced', { stream: true })
  const ours = { ...same, body, url: `${farebox.url}${CHAT}` }
  // Of paced streams only the first bytes count, which are alike by all schemes.
  for (const kind of load === 'sse' ? KINDS_OF_STREAMS : (['exact'] as const)) {
    const each = await requestsOf(cast, kind, { ...ours, calls })
    const run = () => world.fire({ ...ours, each }, 200)
    book.add(load, ROWS[kind], c, await sampleOf(200, run, farebox))
    await settled(farebox)
  }

  // Its throughput is bound by the settlement, streamed or not: see the JSON load.
  if (x402 && load === 'sse paced') {
    const job = { ...same, url: `${x402.url}${CHAT}` }
    const paid = await x402Payments(world, job.url, inTurns(payers, calls))
    book.add(
      load,
      '@x402/hono paid',
      c,
      await sampleOf(200, () => shootX402(world, { ...job, each: paid }), x402),
    )
  }
}

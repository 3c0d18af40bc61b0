import { type Book, sampleOf } from '../book.ts'
import { JSON_HEADERS, requestBody } from '../farebox.ts'
import { inTurns } from '../payments.ts'
import { type Cast, CHAT, settled } from './cast.ts'
import { PAID, payments, shootX402, WAYS, X402, x402Payments } from './paid.ts'

/** Streams on a chain with a block every two seconds: whether a first byte waits for a block. */
export const SLOW = 'sse, 2 s blocks'

const BLOCK_SECONDS = 2
const CALLERS = 4
const CALLS = 40
const X402_CALLS = 12

/** One round of paced streams by every scheme. */
export const slowRound = (cast: Cast, book: Book): Promise<void> =>
  cast.world.withBlocks(BLOCK_SECONDS, async () => {
    const { world, farebox, x402, payers } = cast
    const same = { headers: JSON_HEADERS, concurrency: CALLERS, stagger: 95 / CALLERS }
    const ours = {
      ...same,
      url: `${farebox.url}${CHAT}`,
      body: requestBody('bench/paced', { stream: true }),
    }
    for (const way of WAYS) {
      const each = await payments(cast, { ...ours, calls: CALLS, way })
      const sample = await sampleOf(200, () => world.fire({ ...ours, each }, 200), farebox)
      book.add(SLOW, PAID[way], CALLERS, sample)
    }
    if (x402) {
      const job = {
        ...same,
        url: `${x402.url}${CHAT}`,
        body: requestBody('mock-paced', { stream: true }),
      }
      const each = await x402Payments(world, job.url, inTurns(payers, X402_CALLS))
      const run = () => shootX402(world, { ...job, each })
      book.add(SLOW, X402.exact, CALLERS, await sampleOf(200, run, x402))
    }
    await settled(farebox)
  })

import { type Book, sampleOf } from '../book.ts'
import { JSON_HEADERS, requestBody } from '../farebox.ts'
import { portkeyHeaders } from '../peers.ts'
import { type Cast, CHAT, settled } from './cast.ts'
import { type Kind, ROWS, requestsOf } from './kinds.ts'

/** 150 calls a second by the clock, to a mock that takes 50 ms: what each contestant adds when nobody is at its limit. */
export const STEADY = 'json, 150/s'

const RATE = 150
const SECONDS = 5
const CONNECTIONS = 64
const OURS: readonly Kind[] = ['credit', 'voucher', 'exact']

/** One interleaved round. The stock middleware is not in it: it cannot take so many. */
export const steadyRound = async (cast: Cast, book: Book): Promise<void> => {
  const { world, farebox, portkey } = cast
  const same = { headers: JSON_HEADERS, concurrency: CONNECTIONS, rate: RATE }
  const calls = RATE * SECONDS
  const plain = { ...same, body: requestBody('mock-slow'), seconds: SECONDS }
  const direct = { ...plain, url: `${world.upstream.url}${CHAT}` }
  book.add(STEADY, 'direct', RATE, await sampleOf(200, () => world.fire(direct, 200)))
  if (portkey) {
    const job = { ...plain, url: `${portkey.url}${CHAT}`, headers: portkeyHeaders(world) }
    book.add(STEADY, 'Portkey', RATE, await sampleOf(200, () => world.fire(job, 200), portkey))
  }
  const job = { ...same, url: `${farebox.url}${CHAT}`, body: requestBody('bench/slow') }
  for (const kind of OURS) {
    const each = await requestsOf(cast, kind, { ...job, calls })
    const run = () => world.fire({ ...job, each }, 200)
    book.add(STEADY, ROWS[kind], RATE, await sampleOf(200, run, farebox))
    await settled(farebox)
  }
}

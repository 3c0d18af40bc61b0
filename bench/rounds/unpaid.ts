import { type Book, sampleOf } from '../book.ts'
import { JSON_HEADERS, requestBody } from '../farebox.ts'
import { inTurns, presign } from '../payments.ts'
import { portkeyHeaders } from '../peers.ts'
import { type Cast, CHAT } from './cast.ts'

const CALLS = { 1: 200, 16: 1_500, 64: 1_500 } as const

/** One interleaved round of everything in which no money moves on the chain: direct, Portkey, 402s, calls on credit. */
export const unpaidRound = async (
  { world, farebox, portkey, payers }: Cast,
  book: Book,
  c: 1 | 16 | 64,
): Promise<void> => {
  const direct = {
    url: `${world.upstream.url}${CHAT}`,
    body: requestBody('mock'),
    headers: JSON_HEADERS,
    concurrency: c,
  }
  const seconds = c === 1 ? 0.5 : 1.5
  book.add('json', 'direct', c, await sampleOf(200, () => world.fire({ ...direct, seconds }, 200)))

  if (portkey) {
    const job = {
      ...direct,
      url: `${portkey.url}${CHAT}`,
      headers: portkeyHeaders(world),
      seconds: c === 1 ? 1 : 2,
    }
    book.add('json', 'Portkey', c, await sampleOf(200, () => world.fire(job, 200), portkey))
  }

  const body = requestBody('bench/small')
  const ours = { url: `${farebox.url}${CHAT}`, body, headers: JSON_HEADERS, concurrency: c }
  book.add(
    'json',
    'Farebox 402',
    c,
    await sampleOf(402, () => world.fire({ ...ours, seconds }, 402), farebox),
  )

  const each = await presign(world, { ...ours, payers: inTurns(payers, CALLS[c]), named: true })
  book.add(
    'json',
    'Farebox on credit',
    c,
    await sampleOf(200, () => world.fire({ ...ours, each }, 200), farebox),
  )
}

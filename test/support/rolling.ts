import type { LocalAccount } from 'viem'
import { header, offerOf, offersOf, post, signOffer } from './pay.ts'
import { hello } from './world.ts'

export type RollingFacts = {
  /** Of the balancer before the fleet. */
  url: string
  instances: number
  /** Ends one instance in order and starts it again; resolves when it serves. The others run meanwhile. */
  restartEach: (instance: number) => Promise<void>
  /** Who buys, all at once, one call after the other; every other buyer streams. */
  load: { payers: readonly LocalAccount[]; body?: Record<string, unknown>; warmUpMs?: number }
}

/** What buyers saw. `repeated`: requests that were sent again, with the same payment, by why. */
export type RollingResult = {
  calls: number
  repeated: Record<'refused' | 'unavailable', number>
  /** Calls that did not get exactly one whole answer, in words. */
  problems: string[]
}

const PATIENCE_MS = 20_000
const AGAIN_MS = 50

/**
 * Replaces every instance of a fleet while buyers buy. A buyer repeats a request only when the connection was refused or
 * the answer is a 503 that may be repeated, and then with the very same payment: each call must end in exactly one 200, with its receipt.
 */
export const rollingRestart = async (facts: RollingFacts): Promise<RollingResult> => {
  const { url, instances, restartEach, load } = facts
  const result: RollingResult = { calls: 0, repeated: { refused: 0, unavailable: 0 }, problems: [] }
  const ids = new Set<string>()
  let over = false

  const ask = async (body: unknown, headers: Record<string, string> = {}): Promise<Response> => {
    const until = Date.now() + PATIENCE_MS
    for (;;) {
      const answer = await post(`${url}/v1/chat/completions`, body, headers).catch((error: unknown) => {
        if (!wasRefused(error) || Date.now() > until) throw error
        return undefined
      })
      // The balancer's own 503 says nothing of it; ours says no where a payment was used up.
      const final = answer && (answer.status !== 503 || answer.headers.get('x-should-retry') === 'false')
      if (answer && (final || Date.now() > until)) return answer
      await answer?.body?.cancel()
      result.repeated[answer ? 'unavailable' : 'refused']++
      await pause(AGAIN_MS)
    }
  }
  const buyOne = async (payer: LocalAccount, stream: boolean): Promise<string | undefined> => {
    const body = hello({ ...load.body, stream })
    const asked = await ask(body)
    if (asked.status !== 402) return `asked for a price: ${asked.status} ${await asked.text()}`
    const payment = header(await signOffer(payer, offerOf(offersOf(asked), 'exact')))
    await asked.body?.cancel()
    const answer = await ask(body, { 'payment-signature': payment })
    const text = await answer.text()
    if (answer.status !== 200) return `paid: ${answer.status} ${text.slice(0, 300)}`
    const id = answer.headers.get('x-farebox-call') ?? ''
    if (ids.has(id)) return `the same answer twice: ${id}`
    ids.add(id)
    const whole = stream
      ? /\[DONE\]\n\n: PAYMENT-RESPONSE \S+/.test(text)
      : answer.headers.get('payment-response') !== null
    return whole ? undefined : `not whole: ${text.slice(-300)}`
  }
  const buy = async (payer: LocalAccount, stream: boolean): Promise<void> => {
    while (!over) {
      result.calls++
      const problem = await buyOne(payer, stream).catch((error: unknown) => `broken: ${wordsOf(error)}`)
      if (problem !== undefined) result.problems.push(problem)
    }
  }

  const buying = Promise.all(load.payers.map((payer, i) => buy(payer, i % 2 === 1)))
  try {
    await pause(load.warmUpMs ?? 500)
    for (let i = 0; i < instances; i++) {
      const before = result.calls
      await restartEach(i)
      // Each one serves before the next one goes.
      while (result.calls < before + load.payers.length && result.problems.length === 0) await pause(AGAIN_MS)
    }
  } finally {
    over = true
    await buying
  }
  return result
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const codeOf = (error: unknown): unknown => (error as { cause?: { code?: unknown } }).cause?.code

const wasRefused = (error: unknown): boolean => codeOf(error) === 'ECONNREFUSED'

const wordsOf = (error: unknown): string =>
  `${error instanceof Error ? error.message : error} ${codeOf(error) ?? ''}`

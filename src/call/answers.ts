import type { Hex } from '../assets.ts'
import type { Clock } from '../clock.ts'
import type { Terms } from '../quote/seal.ts'
import type { Route } from '../route/plan.ts'
import type { Order } from '../wire/order.ts'
import type { Attempt } from './attempt.ts'
import type { Events } from './events.ts'
import { createMeter } from './meter.ts'

/** A whole answer as its caller got it, but for its receipt. */
export type Kept = { text: string; route: Route }

/**
 * Answers for callers that want the same one again for the same request. Each payer has its own: nobody learns what
 * another asked. In memory only, for minutes, and gone with the process.
 */
export type Answers = {
  /** False where there is no memory for any. */
  keeps: boolean
  find: (payer: Hex, digest: Hex) => Kept | undefined
  keep: (payer: Hex, digest: Hex, kept: Kept) => void
  /** Forgets an answer that did not arrive and whose charge is given back. Says whether it was given again before: then it has arrived. */
  lost: (payer: Hex, digest: Hex) => boolean
}

export type AnswersFacts = {
  clock: Clock
  ttlMs: number
  /** Characters of all answers together; 0: nothing is kept. */
  capacity: number
}

/** What an entry takes beside its text. */
const OVERHEAD = 500

export const createAnswers = ({ clock, ttlMs, capacity }: AnswersFacts): Answers => {
  const entries = new Map<string, Kept & { until: number; again: boolean }>()
  let size = 0
  const drop = (key: string): void => {
    const entry = entries.get(key)
    if (!entry) return
    entries.delete(key)
    size -= entry.text.length + OVERHEAD
  }
  return {
    keeps: capacity > 0,
    find: (payer, digest) => {
      const key = `${payer} ${digest}`
      const entry = entries.get(key)
      if (entry && entry.until <= clock.now()) drop(key)
      const found = entries.get(key)
      if (found) found.again = true
      return found
    },
    keep: (payer, digest, { text, route }) => {
      const key = `${payer} ${digest}`
      const more = text.length + OVERHEAD
      if (more > capacity / 8) return
      drop(key)
      entries.set(key, { text, route, until: clock.now() + ttlMs, again: false })
      size += more
      for (const oldest of entries.keys()) {
        if (size <= capacity) break
        drop(oldest)
      }
    },
    lost: (payer, digest) => {
      const key = `${payer} ${digest}`
      const again = entries.get(key)?.again === true
      if (!again) drop(key)
      return again
    },
  }
}

/** The same attempt, whose answer is kept once it is complete. */
export const keeping = (attempt: Attempt, keep: (text: string) => void): Attempt => {
  const { answer } = attempt
  if (answer.kind === 'json') {
    keep(answer.text)
    return attempt
  }
  const { events, rendering } = answer
  let text = ''
  const next = async () => {
    const piece = await events.next()
    text += piece ?? ''
    return piece
  }
  const done = () => {
    const end = rendering.done()
    keep(text + end)
    return end
  }
  return { ...attempt, answer: { ...answer, events: { ...events, next }, rendering: { ...rendering, done } } }
}

/** An answer that was kept, as an attempt that asked nobody and used nothing. */
export const replayed = (order: Order, terms: Terms, { text, route }: Kept, now: number): Attempt => {
  const meter = createMeter({ input: 0, maxOutput: 0, choices: terms.choices })
  const rendering = { chunk: () => '', done: () => '', failed: () => '' }
  const events = playing(text, meter.sent)
  return {
    order,
    route,
    terms,
    meter,
    answer: order.stream ? { kind: 'stream', events, rendering } : { kind: 'json', text },
    asked: now,
    first: now,
    attempts: 0,
    abort: () => {},
  }
}

const playing = (text: string, sent: (text: string) => void): Events => {
  let given = false
  return {
    next: async () => {
      if (given) return undefined
      given = true
      sent(text)
      return text
    },
    done: () => given,
    stop: () => {
      given = true
    },
    skip: async () => {},
  }
}

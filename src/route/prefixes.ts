/**
 * Which host has read how much of a conversation lately, so that its next turn goes where the prompt is cached already,
 * as long as that is worth more than the difference. Salted hashes in memory, for minutes; nothing of a prompt is kept.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Order } from '../wire/order.ts'

export type Prefixes = {
  /** Input tokens of an order that the cache of a host is expected to hold. */
  cached: (order: Order, input: number) => (provider: string, hostModel: string) => number
  /** A host has read an order of so many input tokens. */
  read: (order: Order, provider: string, hostModel: string, input: number) => void
}

/** Providers keep prompts for five minutes after the last use, and none below a thousand tokens. Source: the documentation of OpenAI and Anthropic. */
const KEPT_MS = 300_000
const LEAST = 1_024
/** A turn adds an answer, what its tools said and a question: so many messages back a known prefix is looked for. */
const LOOK_BACK = 12
const MOST = 20_000

type Known = { provider: string; hostModel: string; input: number; until: number }

const nothing = () => 0

export const createPrefixes = ({ clock }: { clock: Clock }): Prefixes => {
  const salt = randomBytes(32)
  const known = new Map<string, Known>()

  /** Hashes of the conversation up to its last messages, the longest first. */
  const hashes = (order: Order, back: number): string[] => {
    if (order.kind !== 'chat') return []
    const { messages, tools } = order.request
    const running = createHash('sha256')
      .update(salt)
      .update(JSON.stringify(tools ?? null))
    const found: string[] = []
    for (const [i, message] of messages.entries()) {
      running.update(JSON.stringify(message))
      if (i >= messages.length - back) found.unshift(running.copy().digest('base64url'))
    }
    return found
  }

  return {
    cached: (order, input) => {
      if (input < LEAST || known.size === 0) return nothing
      const now = clock.now()
      const entries = hashes(order, LOOK_BACK).flatMap((hash) => {
        const entry = known.get(hash)
        return entry && entry.until > now ? [entry] : []
      })
      if (entries.length === 0) return nothing
      return (provider, hostModel) =>
        entries.find((one) => one.provider === provider && one.hostModel === hostModel)?.input ?? 0
    },
    read: (order, provider, hostModel, input) => {
      const [hash] = input < LEAST ? [] : hashes(order, 1)
      if (hash === undefined) return
      known.delete(hash)
      known.set(hash, { provider, hostModel, input, until: clock.now() + KEPT_MS })
      if (known.size > MOST) known.delete(known.keys().next().value!)
    },
  }
}

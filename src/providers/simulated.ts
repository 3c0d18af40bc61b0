import { type Clock, seconds } from '../clock.ts'
import { randomId } from '../ids.ts'
import { type Ask, type Provider, UpstreamError } from './provider.ts'

export type SimulatedFacts = {
  id: string
  clock: Clock
  /** Milliseconds before the first token and between tokens. */
  firstTokenMs: number
  tokenMs: number
}

const ANSWER =
  'A farebox is the small machine by the door: you pay for exactly the ride you take, it gives you a ticket, and at the end of the day the coins inside agree with the tickets it printed.'

/** A provider that needs no network: the same short answer at a believable pace. Its model named `broken` always fails. */
export const simulatedProvider = (facts: SimulatedFacts): Provider => ({
  id: facts.id,
  close: async () => {},
  ask: async (ask) => {
    await facts.clock.sleep(facts.firstTokenMs, ask.signal)
    ask.signal.throwIfAborted()
    if (ask.model === 'broken') throw new UpstreamError('unavailable', 'simulated failure')
    const words = ANSWER.match(/\S+\s*/g)!.slice(0, ask.maxOutput)
    const usage = {
      prompt_tokens: ask.body.messages.reduce(
        (sum, one) => sum + 4 + Math.ceil(JSON.stringify(one.content ?? '').length / 4),
        3,
      ),
      completion_tokens: words.length,
    }
    const head = { id: `chatcmpl-${randomId()}`, created: seconds(facts.clock.now()), model: ask.model }
    const finish = words.length < ask.maxOutput ? 'stop' : 'length'
    if (ask.body.stream) return { kind: 'stream', events: speak(facts, ask, head, words, finish, usage) }
    await facts.clock.sleep(facts.tokenMs * words.length, ask.signal)
    const message = { role: 'assistant', content: words.join('') }
    const body = {
      ...head,
      object: 'chat.completion',
      choices: [{ index: 0, message, finish_reason: finish }],
      usage: { ...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens },
    }
    return { kind: 'json', text: JSON.stringify(body), body }
  },
})

async function* speak(
  { clock, tokenMs }: SimulatedFacts,
  { signal }: Ask,
  head: Record<string, unknown>,
  words: readonly string[],
  finish: string,
  usage: Record<string, number>,
): AsyncGenerator<readonly string[]> {
  const chunk = (delta: object, finish_reason: string | null) =>
    JSON.stringify({
      ...head,
      object: 'chat.completion.chunk',
      choices: [{ index: 0, delta, finish_reason }],
    })
  yield [chunk({ role: 'assistant', content: '' }, null)]
  for (const word of words) {
    await clock.sleep(tokenMs, signal)
    signal.throwIfAborted()
    yield [chunk({ content: word }, null)]
  }
  yield [
    chunk({}, finish),
    JSON.stringify({ ...head, object: 'chat.completion.chunk', choices: [], usage }),
    '[DONE]',
  ]
}

import { hash } from 'node:crypto'
import { type Clock, seconds } from '../clock.ts'
import { randomId } from '../ids.ts'
import { embeddedInput } from '../wire/embeddings.ts'
import { type Ask, type EmbedAsk, type Provider, UpstreamError } from './provider.ts'

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
  lacks: () => NOTHING,
  close: async () => {},
  embed: async ({ body, model, signal }) => {
    await facts.clock.sleep(facts.firstTokenMs, signal)
    signal.throwIfAborted()
    if (model === 'broken') throw new UpstreamError('unavailable', 'simulated failure')
    const answer = vectorsFor(body, model)
    return { kind: 'json', text: JSON.stringify(answer), body: answer }
  },
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

const NOTHING: ReadonlySet<never> = new Set()
const LENGTH = 8

/** The same vector of length 1 for the same text, every time. */
const vectorsFor = (body: EmbedAsk['body'], model: string) => {
  const inputs =
    typeof body.input === 'string' || typeof body.input[0] === 'number' ? [body.input] : body.input
  const { texts, tokens } = embeddedInput(body)
  const used = texts.reduce((sum, text) => sum + Math.ceil(text.length / 4), tokens)
  const embedding = (of: unknown) => {
    const vector = vectorOf(JSON.stringify(of), body.dimensions ?? LENGTH)
    return body.encoding_format === 'base64' ? Buffer.from(vector.buffer).toString('base64') : [...vector]
  }
  return {
    object: 'list',
    data: inputs.map((one, index) => ({ object: 'embedding', index, embedding: embedding(one) })),
    model,
    usage: { prompt_tokens: used, total_tokens: used },
  }
}

const vectorOf = (text: string, length: number): Float32Array => {
  const bytes = hash('shake256', text, { outputEncoding: 'buffer', outputLength: length })
  const vector = Float32Array.from(bytes, (byte) => byte - 127.5)
  const norm = Math.hypot(...vector)
  return vector.map((one) => one / norm)
}

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

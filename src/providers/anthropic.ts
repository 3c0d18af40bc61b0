import { type Clock, seconds } from '../clock.ts'
import { answerOf, type Message, type Telling } from './anthropic/answer.ts'
import { classify, eventFault, named, STALE_THOUGHTS } from './anthropic/fault.ts'
import { type Abilities, abilitiesOf } from './anthropic/models.ts'
import { messagesBody } from './anthropic/request.ts'
import { chunksOf } from './anthropic/stream.ts'
import { openHost, parseObject, pathUnder, type SpokenFacts } from './http-host.ts'
import { type Answer, type Ask, type Provider, UpstreamError } from './provider.ts'

/** `baseUrl` is such as https://api.anthropic.com, with or without /v1. */
export type AnthropicFacts = SpokenFacts

/** The last version that every speaker of it knows; it still takes sampling parameters where a model does. */
const VERSION = '2023-06-01'

/** Any server that speaks POST /v1/messages: Anthropic itself and those that copy it. */
export const anthropicProvider = (facts: AnthropicFacts): Provider => {
  const path = pathUnder(facts.baseUrl.replace(/\/v1\/*$/, ''), '/v1/messages')
  const host = openHost({
    ...facts,
    headers: { 'anthropic-version': VERSION, ...(facts.key !== undefined && { 'x-api-key': facts.key }) },
    classify,
    name: named,
    keepAlive: pingsAreSilence(facts.clock),
  })
  const begin = async (ask: Ask, abilities: Abilities): Promise<Answer> => {
    const { format, claude } = abilities
    const hide = !claude && ask.body.reasoning?.exclude === true
    const telling: Telling = { created: seconds(facts.clock.now()), format, hide }
    const { signal, trace } = ask
    const asked = { path, body: JSON.stringify(messagesBody(ask, abilities)), signal, trace }
    if (ask.body.stream) return { kind: 'stream', events: chunksOf(await host.events(asked), telling) }
    const message: Message & { type?: unknown } = parseObject(await host.whole(asked)) as object
    if (message.type === 'error') throw eventFault(message)
    const answer = answerOf(message, telling)
    return { kind: 'json', text: JSON.stringify(answer), body: answer }
  }

  return {
    id: facts.id,
    lacks: (model) => abilitiesOf(model).lacks,
    ask: async (ask) => {
      const abilities = abilitiesOf(ask.model)
      try {
        return await begin(ask, abilities)
      } catch (error) {
        if (!(error instanceof UpstreamError) || error.message !== STALE_THOUGHTS || !hasThoughts(ask))
          throw error
        // The conversation goes on without them: another model's reasoning is of no use to this one.
        return begin(withoutThoughts(ask), abilities)
      }
    },
    close: host.close,
  }
}

const PING = /^\s*\{\s*"type"\s*:\s*"ping"/
const BLOCK = /^\s*\{\s*"type"\s*:\s*"content_block_start"/

/** A thought of which nothing is heard but pings for longer is none any more, ms. */
const LONGEST_SILENT_THOUGHT_MS = 600_000

/** While a model thinks and shows none of it, pings are all that comes, for minutes: then they are no silence. */
export const pingsAreSilence =
  ({ now }: Pick<Clock, 'now'>) =>
  (): ((data: string) => boolean) => {
    let thinking = false
    let heard = now()
    return (data) => {
      if (PING.test(data)) return !thinking || now() - heard > LONGEST_SILENT_THOUGHT_MS
      if (BLOCK.test(data)) thinking = /"type"\s*:\s*"thinking"/.test(data)
      heard = now()
      return false
    }
  }

const hasThoughts = ({ body }: Ask): boolean => body.messages.some((one) => 'reasoning_details' in one)

const withoutThoughts = (ask: Ask): Ask => ({
  ...ask,
  body: {
    ...ask.body,
    messages: ask.body.messages.map((one) =>
      'reasoning_details' in one ? { ...one, reasoning_details: [] } : one,
    ),
  },
})

import { type Clock, seconds } from '../clock.ts'
import { answerOf, type Message, type Telling } from './anthropic/answer.ts'
import { classify, eventFault } from './anthropic/fault.ts'
import { abilitiesOf } from './anthropic/models.ts'
import { messagesBody } from './anthropic/request.ts'
import { chunksOf } from './anthropic/stream.ts'
import { openHost, parseObject, pathUnder } from './http-host.ts'
import type { Ask, Provider } from './provider.ts'

export type AnthropicFacts = {
  id: string
  /** Such as https://api.anthropic.com, with or without /v1. */
  baseUrl: string
  key: string | undefined
  clock: Clock
  firstByteMs: number
  idleMs: number
}

/** The last version that every speaker of it knows; it still takes sampling parameters where a model does. */
const VERSION = '2023-06-01'

/** Any server that speaks POST /v1/messages: Anthropic itself and those that copy it. */
export const anthropicProvider = (facts: AnthropicFacts): Provider => {
  const path = pathUnder(facts.baseUrl.replace(/\/v1\/*$/, ''), '/v1/messages')
  const host = openHost({
    ...facts,
    headers: { 'anthropic-version': VERSION, ...(facts.key !== undefined && { 'x-api-key': facts.key }) },
    classify,
    keepAlive: (data) => PING.test(data),
  })
  const tellingOf = ({ body, model }: Ask): Telling => {
    const { format, claude } = abilitiesOf(model)
    return {
      created: seconds(facts.clock.now()),
      format,
      hide: !claude && body.reasoning?.exclude === true,
    }
  }

  return {
    id: facts.id,
    lacks: (model) => abilitiesOf(model).lacks,
    ask: async (ask) => {
      const body = JSON.stringify(messagesBody(ask, abilitiesOf(ask.model)))
      const asked = { path, body, signal: ask.signal }
      const telling = tellingOf(ask)
      if (ask.body.stream) return { kind: 'stream', events: chunksOf(await host.events(asked), telling) }
      const message: Message & { type?: unknown } = parseObject(await host.whole(asked)) as object
      if (message.type === 'error') throw eventFault(message)
      const answer = answerOf(message, telling)
      return { kind: 'json', text: JSON.stringify(answer), body: answer }
    },
    close: host.close,
  }
}

const PING = /^\s*\{\s*"type"\s*:\s*"ping"/

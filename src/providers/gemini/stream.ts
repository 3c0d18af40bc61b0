/** Gemini's pieces as chunks in OpenAI's chat form. */
import { SSE_DONE } from '../../wire/sse.ts'
import { translated } from '../http-events.ts'
import { parseObject } from '../http-host.ts'
import {
  candidatesIn,
  finishOf,
  indexOf,
  newSaying,
  type Response,
  type Saying,
  saidIn,
  usageOf,
} from './answer.ts'

/** The chunks of a stream, usage and [DONE] at its end; throws `UpstreamError`, after all that came before. */
export const chunksOf = (
  events: AsyncIterable<readonly string[]>,
  facts: { created: number; choices: number },
): AsyncGenerator<readonly string[]> => translated(events, translator(facts))

const translator = ({ created, choices }: { created: number; choices: number }) => {
  const sayings = new Map<number, Saying>()
  const ended = new Set<number>()
  let usage: Response['usageMetadata']

  return (data: string, out: string[]): void => {
    if (ended.size >= choices) return
    const response = parse(data)
    const head = {
      id: response.responseId,
      object: 'chat.completion.chunk',
      created,
      model: response.modelVersion,
    }
    usage = response.usageMetadata ?? usage
    for (const [i, candidate] of candidatesIn(response).entries()) {
      const index = indexOf(candidate, i)
      const first = !sayings.has(index)
      const saying = sayings.get(index) ?? newSaying()
      sayings.set(index, saying)
      const delta = { ...(first && { role: 'assistant' }), ...saidIn(candidate, saying) }
      const finish = finishOf(candidate, saying)
      if (Object.keys(delta).length === 0 && finish.finish_reason === null) continue
      out.push(JSON.stringify({ ...head, choices: [{ index, delta, ...finish }] }))
      if (finish.finish_reason !== null) ended.add(index)
    }
    if (ended.size < choices) return
    if (usage) out.push(JSON.stringify({ ...head, choices: [], usage: usageOf(usage) }))
    out.push(SSE_DONE)
  }
}

const parse = (data: string): Response => parseObject(data, 'an event') as object

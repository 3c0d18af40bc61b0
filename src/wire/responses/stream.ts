import type { About, Rendering } from '../door.ts'
import type { WireAnswer, WireUsage } from '../openai.ts'
import type { ResponsesRequest } from '../responses.ts'
import { newOutput } from './output.ts'
import { type Ending, endingOf, responseOf } from './response.ts'

/** A streamed answer as OpenAI's sequence of events: each named, numbered, and the last one holding the whole Response. */
export const streamOf = (request: ResponsesRequest, about: About): Rendering => {
  const response = responseOf(request, about)
  let text = ''
  let number = 0
  let usage: WireUsage | undefined
  let finish: string | undefined

  const tell = (type: string, fields: Record<string, unknown>): void => {
    const data = JSON.stringify({ type, sequence_number: number++, ...fields })
    text += `event: ${type}\ndata: ${data}\n\n`
  }
  const take = (): string => {
    const taken = text
    text = ''
    return taken
  }
  const output = newOutput({ ...outputOptions(request, about), tell })
  const begin = (): void => {
    if (number > 0) return
    const begun = response({ status: 'in_progress' }, [], undefined)
    tell('response.created', { response: begun })
    tell('response.in_progress', { response: begun })
  }
  const end = (ending: Ending): void =>
    tell(`response.${ending.status}`, { response: response(ending, output.items, usage) })

  return {
    chunk: (part) => {
      begin()
      usage = usageIn(part, usage)
      const choice = part.choices?.[0]
      if (choice?.delta) output.add(choice.delta)
      if (choice?.finish_reason) {
        finish = choice.finish_reason
        output.close(endingOf(finish).status)
      }
      return take()
    },
    done: () => {
      begin()
      const ending = endingOf(finish)
      output.close(ending.status)
      end(ending)
      return take()
    },
    // The error first: an SDK throws at it, and a stream that broke off is taken for whole by nobody.
    failed: ({ error: { code, message, param, hint, docs } }) => {
      begin()
      tell('error', { code, message, param, hint, docs })
      end({ status: 'failed', code, message })
      return take()
    },
  }
}

/** A whole answer as one Response. */
export const wholeOf = (request: ResponsesRequest, about: About, answer: WireAnswer) => {
  const output = newOutput({ ...outputOptions(request, about), tell: () => {} })
  const choice = answer.choices?.[0]
  if (choice?.message) output.add(choice.message, true)
  const ending = endingOf(choice?.finish_reason)
  output.close(ending.status)
  return responseOf(request, about)(ending, output.items, answer.usage ?? undefined)
}

// What is reported in several pieces is held until the next.
const usageIn = ({ usage }: WireAnswer, before: WireUsage | undefined): WireUsage | undefined =>
  usage ? { ...before, ...usage } : before

const outputOptions = ({ reasoning, include }: ResponsesRequest, { id }: About) => ({
  id,
  summarize: Boolean(reasoning?.summary),
  encrypted: Boolean(include?.includes('reasoning.encrypted_content')),
})

import type { WireAnswer } from '../wire/openai.ts'
import { statusFault } from './http-fault.ts'
import { parseObject } from './http-host.ts'
import { classifyOpenAi } from './openai-fault.ts'
import { UpstreamError } from './provider.ts'

type Loose = Record<string, unknown>

/** An answer in one piece; throws what it tells of where it is an error that was called a success. */
export const wholeAnswer = (text: string): WireAnswer => {
  const answer = parseObject(text)
  const error = errorIn(answer, text)
  if (error) throw error
  return answer
}

/**
 * The error that an event of a stream is; undefined for any other. Hosts that have begun to send comments, OpenRouter
 * among them, tell there what others tell by their status, so it must mean the same.
 */
export const eventError = (data: string): UpstreamError | undefined => {
  if (!data.includes('"error"')) return undefined
  try {
    const part: unknown = JSON.parse(data)
    return typeof part === 'object' && part !== null ? errorIn(part as WireAnswer, data) : undefined
  } catch {
    return undefined
  }
}

/** An answer in one piece from a host that was asked for a stream, as the stream that it would have been. */
export const chunksOfWhole = (text: string): readonly string[] => {
  const { choices, usage, ...head } = wholeAnswer(text)
  if (!Array.isArray(choices)) throw new UpstreamError('malformed', 'no choices')
  const parts = choices.map(({ message, ...choice }, i) => ({ index: i, ...choice, delta: deltaOf(message) }))
  const chunk = { ...head, object: 'chat.completion.chunk' }
  const end = usage ? [JSON.stringify({ ...chunk, choices: [], usage })] : []
  return [JSON.stringify({ ...chunk, choices: parts }), ...end, '[DONE]']
}

const deltaOf = (message: unknown): Loose => {
  const { tool_calls, ...said } = (message ?? {}) as Loose
  const calls = Array.isArray(tool_calls) ? (tool_calls as Loose[]) : []
  return {
    ...said,
    ...(calls.length > 0 && { tool_calls: calls.map((call, index) => ({ index, ...call })) }),
  }
}

/** Under `error`, or all of it, as vLLM once had it. */
const errorIn = (part: WireAnswer & Loose, text: string): UpstreamError | undefined => {
  if (!part.error && part['object'] !== 'error') return undefined
  const error = (typeof part.error === 'object' ? part.error : part) as Loose
  const status = [error['code'], error['status_code'], error['status']].map(statusOf).find(Boolean)
  if (status) return statusFault(status, undefined, text, { classify: classifyOpenAi })
  // Nothing says whose fault it is but its words.
  const fault = classifyOpenAi({ status: 400, text, body: part })
  if (fault) return new UpstreamError(fault, 'an error inside')
  const asked = /invalid_?request|badrequest/i.test(String(error['type']))
  return statusFault(asked ? 400 : 502, undefined, text)
}

const statusOf = (value: unknown): number | undefined => {
  const status = typeof value === 'string' ? Number(value) : value
  return typeof status === 'number' && status >= 400 && status <= 599 ? status : undefined
}

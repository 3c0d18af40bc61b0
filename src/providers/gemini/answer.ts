/** Gemini's answers in OpenAI's chat form. */
import { randomId } from '../../ids.ts'
import type { WireAnswer, WireUsage } from '../../wire/openai.ts'
import { UpstreamError } from '../provider.ts'
import { eventFault } from './fault.ts'
import { GOOGLE } from './models.ts'

/** The parts of an answer that we look at; every one is doubted. */
export type Response = {
  candidates?: unknown
  promptFeedback?: { blockReason?: unknown } | null
  usageMetadata?: Record<string, unknown> | null
  modelVersion?: unknown
  responseId?: unknown
  error?: unknown
}
export type Candidate = { index?: unknown; content?: { parts?: unknown } | null; finishReason?: unknown }

/** The answer that a response is; `created`: seconds. Throws `UpstreamError` for one that is none. */
export const answerOf = (response: Response, created: number): WireAnswer => {
  const candidates = candidatesIn(response)
  if (candidates.length === 0) throw new UpstreamError('malformed', 'no candidates')
  const choices = candidates.map((candidate, i) => {
    const said = newSaying()
    const { content, tool_calls, ...thoughts } = saidIn(candidate, said)
    const calls = tool_calls?.map(({ index: _, ...call }) => call)
    return {
      index: indexOf(candidate, i),
      message: {
        role: 'assistant',
        content: content ?? (calls ? null : ''),
        ...thoughts,
        ...(calls && { tool_calls: calls }),
      },
      ...finishOf(candidate, said),
    }
  })
  const answer = {
    id: response.responseId,
    object: 'chat.completion',
    created,
    model: response.modelVersion,
    choices,
    ...(response.usageMetadata && { usage: usageOf(response.usageMetadata) }),
  }
  return answer
}

/** The candidates of a response or of a piece of one; throws when it tells of an error or of a prompt that was blocked. */
export const candidatesIn = (response: Response): Candidate[] => {
  if (response.error) throw eventFault(response)
  const { candidates, promptFeedback } = response
  if (Array.isArray(candidates) && candidates.length > 0) return candidates.filter(isObject)
  if (promptFeedback?.blockReason) throw new UpstreamError('filtered', nameOf(promptFeedback.blockReason))
  return []
}

/** A reason as its name; what is no name is not repeated, since it goes into the log. */
const nameOf = (reason: unknown): string => (/^[A-Z_]{1,60}$/.exec(String(reason)) ?? ['another reason'])[0]

export const indexOf = ({ index }: Candidate, otherwise: number): number =>
  typeof index === 'number' ? index : otherwise

/** What a candidate has said so far. */
export type Saying = { anything: boolean; calls: number; signatures: number }
export const newSaying = (): Saying => ({ anything: false, calls: 0, signatures: 0 })

type Call = { index: number; id: string; type: string; function: { name: string; arguments: string } }
export type Said = {
  content?: string
  reasoning_content?: string
  reasoning_details?: object[]
  tool_calls?: Call[]
}

/** What the parts of a candidate say, all together. */
export const saidIn = (candidate: Candidate, saying: Saying): Said => {
  const said: Said = {}
  const parts = candidate.content?.parts
  for (const part of Array.isArray(parts) ? parts.filter(isObject) : []) {
    if (isObject(part['functionCall'])) sayCall(said, saying, part['functionCall'], part)
    else if (part['thought'] === true) sayThought(said, part)
    else if (typeof part['text'] === 'string') sayText(said, saying, part['text'], part)
  }
  if (said.content || said.reasoning_content || said.tool_calls) saying.anything = true
  return said
}

const signatureOf = (part: Record<string, unknown>): string | undefined =>
  typeof part['thoughtSignature'] === 'string' ? part['thoughtSignature'] : undefined

const sayThought = (said: Said, part: Record<string, unknown>): void => {
  const text = typeof part['text'] === 'string' ? part['text'] : ''
  const signature = signatureOf(part)
  said.reasoning_content = (said.reasoning_content ?? '') + text
  said.reasoning_details ??= []
  said.reasoning_details.push({
    type: 'reasoning.text',
    text,
    ...(signature && { signature }),
    format: GOOGLE,
    index: 0,
  })
}

const sayText = (said: Said, saying: Saying, text: string, part: Record<string, unknown>): void => {
  if (text !== '') said.content = (said.content ?? '') + text
  const signature = signatureOf(part)
  if (signature) saySignature(said, saying, signature)
}

const sayCall = (
  said: Said,
  saying: Saying,
  { id, name, args }: Record<string, unknown>,
  part: Record<string, unknown>,
): void => {
  const known = typeof id === 'string' && id !== '' ? id : `call_${randomId()}`
  const signature = signatureOf(part)
  const call = {
    index: saying.calls++,
    id: known,
    type: 'function',
    function: { name: String(name ?? ''), arguments: JSON.stringify(args ?? {}) },
    // Twice, because many clients give back a call as it came and know nothing of details.
    ...(signature && { extra_content: { google: { thought_signature: signature } } }),
  }
  said.tool_calls ??= []
  said.tool_calls.push(call)
  if (signature) saySignature(said, saying, signature, known)
}

const saySignature = (said: Said, saying: Saying, data: string, id?: string): void => {
  said.reasoning_details ??= []
  said.reasoning_details.push({
    type: 'reasoning.encrypted',
    data,
    ...(id !== undefined && { id }),
    format: GOOGLE,
    index: ++saying.signatures,
  })
}

const FINISH: Readonly<Record<string, 'stop' | 'length' | 'broken'>> = {
  STOP: 'stop',
  MAX_TOKENS: 'length',
  MALFORMED_FUNCTION_CALL: 'broken',
  UNEXPECTED_TOOL_CALL: 'broken',
  TOO_MANY_TOOL_CALLS: 'broken',
  MISSING_THOUGHT_SIGNATURE: 'broken',
  MALFORMED_RESPONSE: 'broken',
}

/**
 * Why it ended, in OpenAI's word and, beside it, in their own. All that is neither an end nor a limit is a filter: SAFETY,
 * RECITATION, BLOCKLIST and more. Throws when it is not whole, or was filtered before it began.
 */
export const finishOf = (
  { finishReason }: Candidate,
  { anything, calls }: Saying,
): { finish_reason: string | null; native_finish_reason?: string } => {
  if (!finishReason) return { finish_reason: null }
  const native = String(finishReason)
  const finish = FINISH[native]
  if (finish === 'broken') throw new UpstreamError('malformed', nameOf(native))
  if (!finish && !anything) throw new UpstreamError('filtered', nameOf(native))
  const reason = finish === 'stop' && calls > 0 ? 'tool_calls' : (finish ?? 'content_filter')
  return { finish_reason: reason, native_finish_reason: native }
}

/** Their output tokens leave out the thoughts; ours do not. */
export const usageOf = (usage: Record<string, unknown>): WireUsage & { total_tokens: number } => {
  const prompt = count(usage['promptTokenCount']) + count(usage['toolUsePromptTokenCount'])
  const thoughts = count(usage['thoughtsTokenCount'])
  const completion = count(usage['candidatesTokenCount']) + thoughts
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: count(usage['cachedContentTokenCount']) },
    completion_tokens_details: { reasoning_tokens: thoughts },
  }
}

const count = (value: unknown): number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

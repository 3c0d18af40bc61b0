/** Messages of a chat as Gemini's contents: instructions apart, results of functions by name, signatures back in place. */
import { type Detail, detailsIn } from '../../wire/messages/thinking.ts'
import type { ChatMessage } from '../../wire/openai.ts'
import { UpstreamError } from '../provider.ts'
import { type Abilities, GOOGLE } from './models.ts'

export type Part = {
  text?: string
  thought?: true
  thoughtSignature?: string
  inlineData?: InlineData
  functionCall?: { id?: string; name: string; args: unknown }
  functionResponse?: { id: string; name: string; response: object; parts?: { inlineData: InlineData }[] }
}
type InlineData = { mimeType: string; data: string }
export type Content = { role: 'user' | 'model'; parts: Part[] }

/** The conversation; throws `unfit` for what cannot be said there. */
export const conversationOf = (
  messages: readonly ChatMessage[],
  abilities: Abilities,
): { system: Part[]; contents: Content[] } => {
  const system: Part[] = []
  const contents: Content[] = []
  const names = new Map<string, string>()
  let results: Content | undefined
  for (const message of messages) {
    const before = results
    results = undefined
    if (message.role === 'system' || message.role === 'developer') system.push(...partsOf(message.content))
    else if (message.role === 'user') contents.push({ role: 'user', parts: partsOf(message.content) })
    else if (message.role === 'assistant') {
      for (const call of message.tool_calls ?? [])
        if (call.type === 'function') names.set(call.id, call.function.name)
      contents.push({ role: 'model', parts: modelParts(message, abilities) })
    } else if (message.role === 'tool') {
      // What ran side by side comes back together.
      results = before ?? { role: 'user', parts: [] }
      if (!before) contents.push(results)
      results.parts.push(resultOf(message, names))
    } else throw new UpstreamError('unfit', 'a function of the old kind')
  }
  const said = contents.filter(({ parts }) => parts.length > 0)
  if (said.length === 0) throw new UpstreamError('unfit', 'nothing but instructions')
  return { system, contents: said }
}

type Spoken = Extract<ChatMessage, { role: 'user' | 'assistant' }>['content']

const partsOf = (content: Spoken): Part[] => {
  if (typeof content === 'string') return content === '' ? [] : [{ text: content }]
  return (content ?? []).map((part) => {
    if (part.type === 'image_url') return { inlineData: imageOf(part.image_url.url) }
    return { text: part.type === 'text' ? part.text : part.refusal }
  })
}

const imageOf = (url: string): InlineData => {
  const [head, mimeType] = /^data:(image\/[\w.+-]+);base64,/.exec(url.slice(0, 80)) ?? []
  if (head === undefined) throw new UpstreamError('unfit', 'an image that is not inline')
  return { mimeType: mimeType!, data: url.slice(head.length) }
}

type Assistant = Extract<ChatMessage, { role: 'assistant' }>
type Signed = Detail & { id?: string | null }

/** For calls that another model made: https://ai.google.dev/gemini-api/docs/thought-signatures */
const UNSIGNED = 'skip_thought_signature_validator'

const modelParts = (message: Assistant, { signs }: Abilities): Part[] => {
  const details = (detailsIn(message['reasoning_details']) as Signed[]).filter(
    ({ format }) => format === GOOGLE,
  )
  const thoughts = details.filter((one) => one.type === 'reasoning.text' && one.text).map(thoughtOf)
  const signatures = details.filter((one) => one.type === 'reasoning.encrypted')
  const { content, refusal } = message
  // What it once refused to say, where an answer of OpenAI's has it, is text like any other.
  const text = partsOf(content || (typeof refusal === 'string' ? refusal : ''))
  const ofText = signatures.find(({ id }) => !id)?.data
  if (ofText) {
    if (text.length === 0) text.push({ text: '' })
    text.at(-1)!.thoughtSignature = ofText
  }
  const calls = (message.tool_calls ?? []).map((call, i): Part => {
    if (call.type !== 'function') throw new UpstreamError('unfit', 'a call of a custom tool')
    const told = signatures.find(({ id }) => id === call.id)?.data ?? signatureOn(call)
    // Of calls side by side only the first is signed.
    const signature = told ?? (signs && i === 0 ? UNSIGNED : undefined)
    const args = argumentsOf(call.function.arguments)
    return {
      functionCall: { id: call.id, name: call.function.name, args },
      ...(signature && { thoughtSignature: signature }),
    }
  })
  return [...thoughts, ...text, ...calls]
}

const thoughtOf = ({ text, signature }: Signed): Part => ({
  text: text!,
  thought: true,
  ...(signature && { thoughtSignature: signature }),
})

/** Where Google's own OpenAI form keeps it, which clients give back with the call. */
const signatureOn = (call: object): string | undefined => {
  const { extra_content } = call as { extra_content?: { google?: { thought_signature?: unknown } } }
  const signature = extra_content?.google?.thought_signature
  return typeof signature === 'string' ? signature : undefined
}

const argumentsOf = (text: string): object => objectIn(text) ?? (text.trim() === '' ? {} : { input: text })

const resultOf = (
  { content, tool_call_id, is_error }: Extract<ChatMessage, { role: 'tool' }>,
  names: ReadonlyMap<string, string>,
): Part => {
  const name = names.get(tool_call_id)
  if (name === undefined) throw new UpstreamError('unfit', 'the result of an unknown call')
  const parts = partsOf(content)
  const text = parts.map((one) => one.text ?? '').join('')
  const images = parts.flatMap(({ inlineData }) => (inlineData ? [{ inlineData }] : []))
  const response = is_error === true ? { error: text } : (objectIn(text) ?? { output: text })
  return {
    functionResponse: { id: tool_call_id, name, response, ...(images.length > 0 && { parts: images }) },
  }
}

const objectIn = (text: string): object | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

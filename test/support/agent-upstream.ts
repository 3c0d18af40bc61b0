import type { ServerResponse } from 'node:http'
import { chunk, goodAnswer, type Script } from './upstream.ts'

/** Celsius, as the tool of these tests tells them. */
export const CELSIUS: Readonly<Record<string, number>> = { Oslo: 7, Bergen: 9 }

type Message = {
  content?: string
  reasoning_details?: Record<string, unknown>[]
  tool_calls?: { id: string; type: 'function'; function: { name: string; arguments: string } }[]
}
type Asked = { role: string; content: unknown; tool_calls?: unknown[]; reasoning_details?: unknown }

const USAGE = { prompt_tokens: 30, completion_tokens: 12, total_tokens: 42 }

/**
 * A provider for agents. With tools it asks for the weather of one city after the other, and then says both; asked to
 * think it thinks before each step, and wants its thoughts back signed; a schema, or a tool that must be called, gets JSON,
 * and texts get vectors.
 */
export const agentAnswer: Script = (ask) => {
  const { body, response } = ask
  if (body['input'] !== undefined) return vectors(body, response)
  const { response_format: format } = body as { response_format?: { type: string } }
  if (format?.type === 'json_schema' || format?.type === 'json_object')
    return say(body, response, { content: OBJECT })
  const forced = forcedTool(body)
  if (forced !== undefined)
    return say(body, response, { tool_calls: [callOf('call_forced', forced, OBJECT)] })
  if (!body['tools']) return goodAnswer(ask)
  const messages = body['messages'] as Asked[]
  const done = messages.filter(({ role }) => role === 'tool').length
  const thinks = JSON.stringify(messages).includes('Think')
  const city = Object.keys(CELSIUS)[done]
  if (thinks && done > 0 && !JSON.stringify(messages).includes(`signed-${done - 1}`)) {
    response.writeHead(400, { 'content-type': 'application/json' })
    response.end(
      JSON.stringify({ error: { message: 'the thoughts did not come back', type: 'invalid_request_error' } }),
    )
    return
  }
  const thought = {
    type: 'reasoning.text',
    text: `Step ${done}.`,
    signature: `signed-${done}`,
    format: 'anthropic-claude-v1',
    index: 0,
  }
  say(body, response, {
    ...(thinks && { reasoning_details: [thought] }),
    ...(city === undefined
      ? {
          content: messages
            .filter(({ role }) => role === 'tool')
            .map(({ content }) => textOf(content))
            .join(' and '),
        }
      : { tool_calls: [callOf(`call_${done}`, 'weather', JSON.stringify({ city }))] }),
  })
}

type Tools = {
  tools?: { function: { name: string } }[]
  tool_choice?: string | { function: { name: string } }
}

const forcedTool = ({ tools, tool_choice: choice }: Tools): string | undefined => {
  if (choice === 'required') return tools?.[0]?.function.name
  return typeof choice === 'object' ? choice.function.name : undefined
}

const OBJECT = '{"city":"Oslo","celsius":7}'
const callOf = (id: string, name: string, written: string) => ({
  id,
  type: 'function' as const,
  function: { name, arguments: written },
})

const textOf = (content: unknown): string =>
  Array.isArray(content) ? content.map((part: { text: string }) => part.text).join('') : String(content)

/** The message whole, or in pieces of three characters. */
const say = (body: Record<string, unknown>, response: ServerResponse, message: Message): void => {
  const finish = message.tool_calls ? 'tool_calls' : 'stop'
  if (!body['stream']) {
    response.writeHead(200, { 'content-type': 'application/json' })
    const choice = {
      index: 0,
      message: { role: 'assistant', content: null, ...message },
      finish_reason: finish,
    }
    response.end(
      JSON.stringify({
        id: 'chatcmpl-1',
        object: 'chat.completion',
        created: 1,
        model: 'm',
        choices: [choice],
        usage: USAGE,
      }),
    )
    return
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const write = (data: unknown) => response.write(`data: ${JSON.stringify(data)}\n\n`)
  write(chunk({ role: 'assistant', content: '' }))
  for (const detail of message.reasoning_details ?? []) {
    const { signature, ...rest } = detail
    write(chunk({ reasoning_details: [rest] }))
    write(chunk({ reasoning_details: [{ type: detail['type'], signature, index: detail['index'] }] }))
  }
  for (const piece of inPieces(message.content ?? '')) write(chunk({ content: piece }))
  for (const [index, call] of (message.tool_calls ?? []).entries()) {
    const { id, type, function: asked } = call
    write(chunk({ tool_calls: [{ index, id, type, function: { name: asked.name, arguments: '' } }] }))
    for (const piece of inPieces(asked.arguments))
      write(chunk({ tool_calls: [{ index, function: { arguments: piece } }] }))
  }
  write(chunk({}, finish))
  write({ ...chunk({}), choices: [], usage: USAGE })
  response.end('data: [DONE]\n\n')
}

const inPieces = (text: string): string[] => text.match(/.{1,3}/gs) ?? []

/** The vector of a text: its length, and a half. */
export const vectorOf = (text: string): number[] => [text.length, 0.5]

const vectors = (body: Record<string, unknown>, response: ServerResponse): void => {
  const { input, encoding_format } = body as { input: string | string[] | number[]; encoding_format?: string }
  const all =
    typeof input === 'string' ? [input] : input.every((one) => typeof one === 'string') ? input : ['tokens']
  const data = all.map((text, index) => {
    const vector = vectorOf(text)
    const embedding =
      encoding_format === 'base64' ? Buffer.from(new Float32Array(vector).buffer).toString('base64') : vector
    return { object: 'embedding', index, embedding }
  })
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(
    JSON.stringify({ object: 'list', data, model: 'm', usage: { prompt_tokens: 5, total_tokens: 5 } }),
  )
}

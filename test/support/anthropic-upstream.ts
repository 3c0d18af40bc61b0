import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CELSIUS } from './agent-upstream.ts'

type Body = Record<string, unknown>

/** What the scripted host was asked. */
export type AskedOf = { path: string; headers: IncomingMessage['headers']; body: Body; closedEarly: boolean }

export type AnthropicScript = (ask: {
  body: Body
  response: ServerResponse
  /** Writes one event, named by its type. */
  event: (type: string, fields?: object) => void
  attempt: number
}) => void | Promise<void>

export type AnthropicUpstream = {
  /** Base URL, without /v1. */
  url: string
  seen: AskedOf[]
  script: (next: AnthropicScript) => void
  close: () => Promise<void>
}

/** Fields that Anthropic takes; it refuses any other. */
const KNOWN =
  'model messages max_tokens system tools tool_choice thinking output_config stream stop_sequences temperature top_p top_k metadata service_tier'.split(
    ' ',
  )

/** What Anthropic would say against a request, as far as its documentation tells. */
const wrongWith = (body: Body, headers: IncomingMessage['headers']): string | undefined => {
  if (!headers['anthropic-version']) return 'anthropic-version: header is required'
  const stranger = Object.keys(body).find((key) => !KNOWN.includes(key))
  if (stranger) return `${stranger}: Extra inputs are not permitted`
  if (typeof body['max_tokens'] !== 'number') return 'max_tokens: Field required'
  const messages = body['messages'] as { role: string; content: unknown }[]
  if (messages[0]?.role !== 'user') return 'messages: first message must use the "user" role'
  const open = new Set<string>()
  for (const { role, content } of messages) {
    const blocks = (Array.isArray(content) ? content : []) as {
      type: string
      id: string
      tool_use_id: string
    }[]
    if (role === 'user') for (const one of blocks) open.delete(one.tool_use_id)
    if (open.size > 0)
      return `messages: \`tool_use\` ids were found without \`tool_result\` blocks: ${[...open]}`
    if (role === 'assistant') for (const one of blocks) if (one.type === 'tool_use') open.add(one.id)
  }
  return undefined
}

export const message = (content: object[], more: object = {}) => ({
  id: 'msg_test',
  type: 'message',
  role: 'assistant',
  model: 'claude-test',
  content,
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 10, output_tokens: 2 },
  ...more,
})

/** A message as the events that bring it, every text in two pieces. */
export const eventsOf = (whole: ReturnType<typeof message>): [string, object][] => {
  const events: [string, object][] = [
    [
      'message_start',
      { message: { ...whole, content: [], stop_reason: null, usage: { ...whole.usage, output_tokens: 1 } } },
    ],
    ['ping', {}],
  ]
  for (const [index, given] of whole.content.entries()) {
    const block = given as Record<string, string>
    const halves = (text: string) => [text.slice(0, text.length >> 1), text.slice(text.length >> 1)]
    const deltas = (key: string, type: string, field: string, text = block[key]!) => ({
      content_block: { ...block, [key]: key === 'input' ? {} : '' },
      deltas: halves(text).map((half) => ({ type, [field]: half })),
    })
    const parts =
      block['type'] === 'text'
        ? deltas('text', 'text_delta', 'text')
        : block['type'] === 'thinking'
          ? deltas('thinking', 'thinking_delta', 'thinking')
          : block['type'] === 'tool_use'
            ? deltas('input', 'input_json_delta', 'partial_json', JSON.stringify(block['input']))
            : { content_block: block, deltas: [] as object[] }
    if (block['type'] === 'thinking') {
      parts.content_block['signature'] = ''
      parts.deltas.push({ type: 'signature_delta', signature: block['signature']! })
    }
    events.push(['content_block_start', { index, content_block: parts.content_block }])
    for (const delta of parts.deltas) events.push(['content_block_delta', { index, delta }])
    events.push(['content_block_stop', { index }])
  }
  const { stop_reason, stop_sequence } = whole
  events.push(['message_delta', { delta: { stop_reason, stop_sequence }, usage: whole.usage }])
  events.push(['message_stop', {}])
  return events
}

/** Says a message in one piece or as events, as it is asked to. */
export const saying =
  (whole: ReturnType<typeof message>): AnthropicScript =>
  ({ body, response, event }) => {
    if (!body['stream']) return void response.writeHead(200).end(JSON.stringify(whole))
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const [type, fields] of eventsOf(whole)) event(type, fields)
    response.end()
  }

/** "Hello there" in two tokens, 10 in. */
export const goodMessage = saying(message([{ type: 'text', text: 'Hello there' }]))

/** A real HTTP server that speaks Anthropic's Messages as scripted, on loopback, and refuses what Anthropic would. */
export const startAnthropicUpstream = async (): Promise<AnthropicUpstream> => {
  let script: AnthropicScript = goodMessage
  const seen: AskedOf[] = []
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const body = JSON.parse(Buffer.concat(parts).toString('utf8')) as Body
    const asked: AskedOf = { path: request.url!, headers: request.headers, body, closedEarly: false }
    seen.push(asked)
    response.on('close', () => {
      asked.closedEarly = !response.writableFinished
    })
    const wrong = wrongWith(body, request.headers)
    if (wrong) {
      const error = { type: 'invalid_request_error', message: wrong }
      return void response.writeHead(400).end(JSON.stringify({ type: 'error', error }))
    }
    const event = (type: string, fields: object = {}) =>
      void response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`)
    await script({ body, response, event, attempt: seen.length })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    script: (next) => {
      script = next
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/**
 * The same agent as `agentAnswer` plays, in Anthropic's form: it asks for the weather of one city after the other, thinks
 * before each step when it is told to, and wants its thoughts back as it signed them.
 */
export const agentMessage: AnthropicScript = (ask) => {
  const { body, response } = ask
  const { format } = (body['output_config'] ?? {}) as { format?: object }
  if (format) return saying(message([{ type: 'text', text: '{"city":"Oslo","celsius":7}' }]))(ask)
  if (!body['tools']) return goodMessage(ask)
  const results = (body['messages'] as { content: unknown }[])
    .flatMap(({ content }) => (Array.isArray(content) ? (content as Record<string, unknown>[]) : []))
    .filter(({ type }) => type === 'tool_result')
  const done = results.length
  const thinks = (body['thinking'] as { type?: string } | undefined)?.type === 'adaptive'
  const signed = { type: 'thinking', thinking: `Step ${done - 1}.`, signature: `signed-${done - 1}` }
  if (thinks && done > 0 && !JSON.stringify(body['messages']).includes(JSON.stringify(signed))) {
    const error = { type: 'invalid_request_error', message: 'the thoughts did not come back' }
    return void response.writeHead(400).end(JSON.stringify({ type: 'error', error }))
  }
  const thought = { type: 'thinking', thinking: `Step ${done}.`, signature: `signed-${done}` }
  const city = Object.keys(CELSIUS)[done]
  const said =
    city === undefined
      ? { type: 'text', text: results.map(({ content }) => String(content)).join(' and ') }
      : { type: 'tool_use', id: `toolu_${done}`, name: 'weather', input: { city } }
  const more = {
    stop_reason: city === undefined ? 'end_turn' : 'tool_use',
    usage: { input_tokens: 30, output_tokens: 12 },
  }
  return saying(message([...(thinks ? [thought] : []), said], more))(ask)
}

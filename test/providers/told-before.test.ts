import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openAiProvider } from '../../src/providers/openai.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { messagesRequestSchema } from '../../src/wire/anthropic.ts'
import { messagesOrder } from '../../src/wire/messages-door.ts'
import { chatRequestSchema, forwardBody } from '../../src/wire/openai.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { askOf, faultOf, read } from './reading.ts'

let upstream: Upstream
let opened: Provider[] = []
beforeEach(async () => {
  upstream = await startUpstream()
})
afterEach(async () => {
  await Promise.all(opened.map((one) => one.close()))
  opened = []
  await upstream.close()
})
const of = (kind: string | undefined): Provider => {
  const facts = { id: 'up', kind, baseUrl: upstream.url, key: 'k', firstByteMs: 2_000, idleMs: 2_000 }
  const made = openAiProvider(facts)
  opened.push(made)
  return made
}

const mark = { cache_control: { type: 'ephemeral' as const } }
const call = (id: string) => ({ type: 'tool_use', id, name: 'run', input: {} })
/** As an agent on Anthropic's SDK asks: the last results are marked, and some have failed. */
const AGENT = messagesRequestSchema.parse({
  model: 'ours',
  max_tokens: 50,
  system: [{ type: 'text', text: 'Be brief.', ...mark }],
  tools: [{ name: 'run', input_schema: { type: 'object' }, ...mark }],
  messages: [
    { role: 'user', content: 'Run it.' },
    { role: 'assistant', content: [call('a'), call('b'), call('c'), { ...call('d'), ...mark }] },
    {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 'a', content: 'exit 1', is_error: true },
        { type: 'tool_result', tool_use_id: 'b', is_error: true },
        { type: 'tool_result', tool_use_id: 'c', content: 'fine', is_error: false },
        {
          type: 'tool_result',
          tool_use_id: 'd',
          content: [{ type: 'text', text: 'x', ...mark }],
          is_error: true,
          ...mark,
        },
      ],
    },
  ],
})

describe('an agent that speaks Messages, answered by a host that speaks chat', () => {
  test.each(['openai', 'groq', 'mistral', 'fireworks', 'bedrock', 'deepseek'])(
    '%s is sent no word that it does not know, and still told which tools failed',
    async (kind) => {
      const { request } = messagesOrder(AGENT)
      await of(kind).ask(askOf({}, { body: forwardBody(request) }))
      const sent = upstream.seen.at(-1)!.body as { messages: Record<string, unknown>[] }
      expect(JSON.stringify(sent)).not.toMatch(/cache_control|is_error/)
      const [a, b, c, d] = sent.messages.filter(({ role }) => role === 'tool').map(({ content }) => content)
      expect([a, b, c]).toEqual(['Error: exit 1', 'Error:', 'fine'])
      expect(d).toEqual([
        { type: 'text', text: 'Error:' },
        { type: 'text', text: 'x' },
      ])
    },
  )

  test('a host that knows marks keeps them', async () => {
    const { request } = messagesOrder(AGENT)
    await of('openrouter').ask(askOf({}, { body: forwardBody(request) }))
    const { messages } = upstream.seen.at(-1)!.body as { messages: Record<string, unknown>[] }
    expect(messages.at(-1)).toMatchObject({ role: 'tool', ...mark })
    expect(messages[2]!['tool_calls']).toMatchObject([
      { id: 'a' },
      { id: 'b' },
      { id: 'c' },
      { id: 'd', ...mark },
    ])
  })
})

test.each([[null], [[]]])(
  'an answer whose calls were %j comes back as it was, and no host sees them',
  async (tool_calls) => {
    const messages = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hello', refusal: null, tool_calls },
      { role: 'user', content: 'And?' },
    ]
    const body = forwardBody(chatRequestSchema.parse({ model: 'ours', messages }))
    for (const kind of ['openai', 'groq', undefined]) {
      await of(kind).ask(askOf({}, { body }))
      const sent = upstream.seen.at(-1)!.body as { messages: Record<string, unknown>[] }
      expect(sent.messages[1]).not.toHaveProperty('tool_calls')
      expect(sent.messages[1]!['content']).toBe('Hello')
    }
  },
)

test.each(['alibaba', 'ollama', 'cerebras', 'fireworks', 'siliconflow', 'novita'])(
  '%s, which knows no developer, is told of instructions by its system',
  async (kind) => {
    const messages = [
      { role: 'developer', content: 'Be brief.' },
      { role: 'user', content: 'Hi' },
    ]
    await of(kind).ask(askOf({ messages }))
    expect((upstream.seen.at(-1)!.body as { messages: object[] }).messages[0]).toEqual({
      role: 'system',
      content: 'Be brief.',
    })
  },
)

test.each([
  ['openrouter', 'error'],
  ['vllm', 'abort'],
  [undefined, 'error'],
])('an answer of %s that ends with %s is not passed off as whole', async (kind, finish_reason) => {
  const part = (at: 'delta' | 'message') => ({
    choices: [{ index: 0, [at]: { content: 'Hel' }, finish_reason }],
  })
  upstream.script(({ response }) => void response.end(JSON.stringify(part('message'))))
  expect((await faultOf(of(kind).ask(askOf())))[0]).toBe('unavailable')
  upstream.script(({ response }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(`data: ${JSON.stringify(part('delta'))}\n\ndata: [DONE]\n\n`)
  })
  const broken = of(kind)
    .ask(askOf({ stream: true }))
    .then(read)
  expect((await faultOf(broken))[0]).toBe('unavailable')
})

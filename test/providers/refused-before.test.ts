import { expect, test } from 'vitest'
import { abilitiesOf as claude } from '../../src/providers/anthropic/models.ts'
import { messagesBody } from '../../src/providers/anthropic/request.ts'
import { abilitiesOf as gemini } from '../../src/providers/gemini/models.ts'
import { contentBody } from '../../src/providers/gemini/request.ts'
import { requestFor } from '../../src/providers/openai-request.ts'
import { lacking, quirksOf } from '../../src/providers/quirks.ts'
import { chatRequestSchema } from '../../src/wire/openai.ts'

const turns = (answer: object) => ({
  model: 'm',
  messages: [
    { role: 'user', content: 'Do it.' },
    { role: 'assistant', ...answer },
    { role: 'user', content: 'Why not?' },
  ],
})
const asked = (answer: object) => ({
  body: chatRequestSchema.parse(turns(answer)),
  model: 'm',
  maxOutput: 100,
  signal: new AbortController().signal,
})

test('what a model once refused to say is still said when another model goes on with the conversation', () => {
  const refused = asked({ content: null, refusal: 'I will not.' })
  expect(JSON.stringify(messagesBody(refused, claude('claude-sonnet-4-6')))).toContain('I will not.')
  expect(JSON.stringify(contentBody(refused, gemini('gemini-2.5-flash')))).toContain('I will not.')
  for (const kind of ['openai', 'deepseek', 'groq', 'mistral', 'other']) {
    const quirks = quirksOf({ id: kind, kind, baseUrl: 'https://host.example/v1' })
    const fit = { quirks, lacks: lacking(quirks)('m'), capField: 'max_tokens' }
    expect(JSON.stringify(requestFor(refused, fit)), kind).toContain('I will not.')
  }
})

test('a mark that would keep a prompt for an hour, at twice the price, is refused wherever it stands', () => {
  const hour = { cache_control: { type: 'ephemeral', ttl: '1h' } }
  const call = { id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }
  const takes = (answer: object) => chatRequestSchema.safeParse(turns(answer)).success
  expect(takes({ content: 'No.', cache_control: { type: 'ephemeral' } })).toBe(true)
  expect(takes({ content: 'No.', ...hour })).toBe(false)
  expect(takes({ content: [{ type: 'text', text: 'No.', ...hour }] })).toBe(false)
  expect(takes({ content: null, tool_calls: [{ ...call, ...hour }] })).toBe(false)
  for (const message of [
    { role: 'user', content: 'Hi' },
    { role: 'system', content: 'Hi' },
    { role: 'tool', content: 'Hi', tool_call_id: 'c' },
  ])
    expect(chatRequestSchema.safeParse({ model: 'm', messages: [{ ...message, ...hour }] }).success).toBe(
      false,
    )
})

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import OpenAI from 'openai'
import { expect, test } from 'vitest'
import { geminiProvider } from '../../src/providers/gemini.ts'
import { forwardBody } from '../../src/wire/openai.ts'
import { orderOf } from '../support/models.ts'
import { startUpstream } from '../support/upstream.ts'
import { askOf, says } from './reading.ts'

/** Gemini behind OpenAI's own path, with nothing between. */
const serve = async (url: string) => {
  const clock = { now: Date.now, sleep: async () => {} }
  const provider = geminiProvider({
    id: 'up',
    baseUrl: url,
    key: 'k',
    clock,
    firstByteMs: 3_000,
    idleMs: 3_000,
  })
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const part of request) text += part
    const body = forwardBody(orderOf(JSON.parse(text)).request)
    const answer = await provider.ask(askOf({}, { body, model: 'gemini-3-flash' }))
    if (answer.kind === 'json') return response.end(answer.text)
    for await (const batch of answer.events) for (const data of batch) response.write(`data: ${data}\n\n`)
    return response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await provider.close()
  }
  return { base: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, close }
}

test('OpenAI’s own client calls functions of Gemini and gives its signatures back unasked', async () => {
  const google = await startUpstream()
  const { base, close } = await serve(google.url)
  try {
    google.script(({ attempt, ...ask }) =>
      says(attempt === 1 ? 'gemini/tools.sse' : 'gemini/thinking.sse')({ attempt, ...ask }),
    )
    const client = new OpenAI({ baseURL: base, apiKey: 'any', maxRetries: 0 })
    const asked = {
      model: 'any',
      tools: [{ type: 'function' as const, function: { name: 'weather', parameters: { type: 'object' } } }],
    }
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Weather?' }]
    const first = await client.chat.completions.stream({ ...asked, messages }).finalChatCompletion()
    const { message } = first.choices[0]!
    expect(message.tool_calls!.map((call) => call.type === 'function' && call.function.arguments)).toEqual([
      '{"city":"Paris"}',
      '{"city":"London"}',
    ])
    messages.push(message)
    for (const { id } of message.tool_calls!) messages.push({ role: 'tool', tool_call_id: id, content: 'ok' })
    const second = await client.chat.completions.stream({ ...asked, messages }).finalChatCompletion()
    expect(second.choices[0]!.message.content).toBe('Hello!')
    expect(second.usage).toMatchObject({ prompt_tokens: 9, completion_tokens: 42 })
    const { contents } = google.seen[1]!.body as { contents: { parts: Record<string, unknown>[] }[] }
    expect(contents[1]!.parts.map((part) => part['thoughtSignature'])).toEqual(['sigA', undefined])
  } finally {
    await close()
    await google.close()
  }
})

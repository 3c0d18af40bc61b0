import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openAiProvider } from '../../src/providers/openai.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { type Script, startUpstream, type Upstream } from '../support/upstream.ts'
import { askOf, faultOf, read } from './reading.ts'

let upstream: Upstream
let host: Provider
beforeEach(async () => {
  upstream = await startUpstream()
  host = openAiProvider({ id: 'up', baseUrl: upstream.url, key: 'k', firstByteMs: 2_000, idleMs: 2_000 })
})
afterEach(async () => {
  await host.close()
  await upstream.close()
})

const events =
  (...data: unknown[]): Script =>
  ({ response }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const one of data) response.write(`data: ${typeof one === 'string' ? one : JSON.stringify(one)}\n\n`)
    response.end()
  }
const json =
  (body: unknown, type = 'application/json; charset=utf-8'): Script =>
  ({ response }) =>
    void response.writeHead(200, { 'content-type': type }).end(JSON.stringify(body))
const streamed = async () => read(await host.ask(askOf({ stream: true })))

describe('an error that a host tells inside of a success', () => {
  test.each<[string, unknown, string]>([
    ['a limit', { error: { code: 429, message: 'Rate limit exceeded' } }, 'rate_limited'],
    ['no money', { error: { code: 402, message: 'Insufficient credits' } }, 'unauthorized'],
    [
      'a prompt that is too long',
      { error: { code: 400, message: "This endpoint's maximum context length is 4096 tokens." } },
      'too_long',
    ],
    [
      'a flagged prompt',
      { error: { code: 403, message: 'Flagged', metadata: { reasons: ['violence'] } } },
      'filtered',
    ],
    ['a host that is away', { error: { code: 502, message: 'Provider returned error' } }, 'unavailable'],
    [
      'a word without a number',
      { error: { code: 'context_length_exceeded', message: 'No.', type: 'invalid_request_error' } },
      'too_long',
    ],
    ['a bad request', { error: { code: null, message: 'Bad.', type: 'invalid_request_error' } }, 'rejected'],
    ['a number in words', { error: { code: '429', message: 'Slow down.' } }, 'rate_limited'],
    ['nothing that is known', { error: { message: 'Oh no' } }, 'unavailable'],
    ['only a text', { error: 'Oh no' }, 'unavailable'],
    ['vLLM of old', { object: 'error', message: 'Bad.', type: 'BadRequestError', code: 400 }, 'rejected'],
  ])('%s means what its status would, in a stream and in one piece', async (_, body, fault) => {
    upstream.script(events(body, '[DONE]'))
    expect((await faultOf(streamed()))[0]).toBe(fault)
    upstream.script(json(body))
    expect((await faultOf(host.ask(askOf())))[0]).toBe(fault)
    expect((await faultOf(streamed()))[0]).toBe(fault)
  })

  test('in the middle of a stream it ends the stream, after all that came before', async () => {
    const said = { choices: [{ index: 0, delta: { content: 'Hel' }, finish_reason: null }] }
    upstream.script(events(said, { object: 'error', message: 'Engine died', code: 500 }, '[DONE]'))
    const answer = await host.ask(askOf({ stream: true }))
    if (answer.kind !== 'stream') throw new Error('not a stream')
    const seen: string[] = []
    const reading = (async () => {
      for await (const batch of answer.events) seen.push(...batch)
    })()
    expect((await faultOf(reading))[0]).toBe('unavailable')
    expect(seen).toEqual([JSON.stringify(said)])
  })

  test('an answer that talks about errors is none', async () => {
    const text = '{"error": {"code": 429}}'
    upstream.script(
      events(
        { error: null, choices: [{ index: 0, delta: { content: text }, finish_reason: 'stop' }] },
        '[DONE]',
      ),
    )
    expect((await streamed()).text).toBe(text)
  })
})

describe('a host that was asked for a stream and does not stream', () => {
  const call = { id: 'c1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }
  const other = { ...call, id: 'c2' }
  const body = {
    id: 'x',
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'Grüße', tool_calls: [call, other] },
        finish_reason: 'tool_calls',
      },
    ],
    usage: { prompt_tokens: 20, completion_tokens: 9 },
  }
  test('is read all the same: text, calls and usage', async () => {
    upstream.script(json(body))
    const heard = await streamed()
    expect(heard).toMatchObject({ text: 'Grüße', finish: 'tool_calls', done: true })
    expect(heard.tools).toEqual([
      { id: 'c1', name: 'f', arguments: '{"a":1}' },
      { id: 'c2', name: 'f', arguments: '{"a":1}' },
    ])
    expect(heard.metered).toMatchObject({ input: 20, output: 9, source: 'reported' })
  })

  test('a stream by the name of JSON is a stream', async () => {
    upstream.script(({ response }) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.write('data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n')
      response.end('data: [DONE]\n\n')
    })
    expect(await streamed()).toMatchObject({ text: 'Hi', done: true })
  })
})

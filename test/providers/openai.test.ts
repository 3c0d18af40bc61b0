import { afterEach, beforeEach, expect, test } from 'vitest'
import { type OpenAiFacts, openAiProvider } from '../../src/providers/openai.ts'
import { type Answer, type Provider, UpstreamError } from '../../src/providers/provider.ts'
import { forwardBody } from '../../src/wire/openai.ts'
import { orderOf } from '../support/models.ts'
import { chunk, type Script, startUpstream, type Upstream } from '../support/upstream.ts'

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

const provider = (more: Partial<OpenAiFacts> = {}): Provider => {
  const made = openAiProvider({
    id: 'up',
    baseUrl: upstream.url,
    key: undefined,
    maxTokensField: 'max_tokens',
    firstByteMs: 300,
    idleMs: 300,
    ...more,
  })
  opened.push(made)
  return made
}
const ask = (from: Provider, more: Record<string, unknown> = {}, signal = new AbortController().signal) =>
  from.ask({ body: forwardBody(orderOf(more).request), model: 'there', maxOutput: 77, signal })
const faultOf = async (asking: Promise<unknown>): Promise<[string, number | undefined]> => {
  const error = await asking.then(
    () => new Error('answered'),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof UpstreamError)) throw error
  return [error.fault, error.retryAfterMs]
}
const readAll = async (answer: Answer): Promise<string[]> => {
  if (answer.kind !== 'stream') throw new Error('not a stream')
  const all: string[] = []
  for await (const batch of answer.events) all.push(...batch)
  return all
}
const status =
  (code: number, headers: Record<string, string> = {}): Script =>
  ({ response }) =>
    void response.writeHead(code, headers).end('{"error":{"message":"secret"}}')

test.each([
  [400, 'rejected'],
  [401, 'unauthorized'],
  [402, 'unauthorized'],
  [403, 'unauthorized'],
  [404, 'missing'],
  [408, 'timeout'],
  [413, 'rejected'],
  [422, 'rejected'],
  [429, 'rate_limited'],
  [500, 'unavailable'],
  [502, 'unavailable'],
  [503, 'unavailable'],
  [504, 'timeout'],
  [529, 'unavailable'],
  [301, 'unavailable'],
  [204, 'unavailable'],
  [201, 'unavailable'],
])('a status of %i is %s', async (code, fault) => {
  upstream.script(status(code, code === 301 ? { location: 'http://127.0.0.1:1/' } : {}))
  expect(await faultOf(ask(provider()))).toEqual([fault, undefined])
  expect(upstream.seen).toHaveLength(1)
})

test.each([
  ['30', 30_000],
  ['0', 0],
  ['1.5', 1_500],
  ['soon', undefined],
  ['Wed, 21 Oct 2099 07:28:00 GMT', 3_600_000],
  ['-5', undefined],
])('Retry-After of %s is %s ms', async (text, ms) => {
  upstream.script(status(429, { 'retry-after': text }))
  expect(await faultOf(ask(provider()))).toEqual(['rate_limited', ms])
})

test('the key goes into one header, the model and the cap into the body', async () => {
  await ask(provider({ key: 'sk-test' }))
  expect(upstream.seen[0]!.headers.authorization).toBe('Bearer sk-test')
  expect(upstream.seen[0]!.body).toEqual({
    model: 'there',
    messages: [{ role: 'user', content: 'Say hello.' }],
    max_tokens: 77,
  })
  await ask(provider({ maxTokensField: 'max_completion_tokens' }))
  expect(upstream.seen[1]!.headers.authorization).toBeUndefined()
  expect(upstream.seen[1]!.body).toMatchObject({ max_completion_tokens: 77 })
  await ask(provider(), { max_completion_tokens: 5 })
  expect(upstream.seen[2]!.body).not.toHaveProperty('max_tokens')
})

test('a base URL with or without a slash at its end is the same', async () => {
  const answer = await ask(provider({ baseUrl: `${upstream.url}/` }))
  expect(answer).toMatchObject({ kind: 'json', body: { choices: [{ message: { content: 'Hello there' } }] } })
})

test.each([
  ['an answer that is not JSON', 'nope'],
  ['an answer that is a number', '5'],
  ['an empty answer', ''],
])('%s is malformed', async (_, text) => {
  upstream.script(({ response }) => void response.end(text))
  expect(await faultOf(ask(provider()))).toEqual(['malformed', undefined])
})

test('an answer of more than 32 MiB is given up', async () => {
  upstream.script(({ response }) => {
    const megabyte = Buffer.alloc(1 << 20, 32)
    const more = (): void => {
      while (!response.destroyed && response.write(megabyte)) {}
      if (!response.destroyed) response.once('drain', more)
    }
    more()
  })
  expect(await faultOf(ask(provider()))).toEqual(['malformed', undefined])
})

test('nobody at the address is unavailable', async () => {
  expect(await faultOf(ask(provider({ baseUrl: 'http://127.0.0.1:1/v1' })))).toEqual([
    'unavailable',
    undefined,
  ])
})

test('a stream that takes too long to begin is a timeout; an answer in one piece may take five times as long', async () => {
  upstream.script(() => {})
  expect(await faultOf(ask(provider({ firstByteMs: 100 }), { stream: true }))).toEqual(['timeout', undefined])
  const start = performance.now()
  expect(await faultOf(ask(provider({ firstByteMs: 300 })))).toEqual(['timeout', undefined])
  expect(performance.now() - start).toBeGreaterThan(1_000)
})

test('the events of a stream come as they are, [DONE] included', async () => {
  const answer = await ask(provider(), { stream: true })
  const events = await readAll(answer)
  expect(events.at(-1)).toBe('[DONE]')
  expect(events.slice(0, 2).map((data) => JSON.parse(data))).toEqual([
    chunk({ role: 'assistant', content: '' }),
    chunk({ content: 'Hello' }),
  ])
})

test.each([
  ['is silent', 'timeout', ({ response }) => void response.writeHead(200).write('data: 1\n\n')],
  [
    'only keeps the line alive',
    'timeout',
    ({ response }) => {
      response.writeHead(200)
      const timer = setInterval(() => response.write(': wait\n\n'), 30)
      response.on('close', () => clearInterval(timer))
    },
  ],
  [
    'breaks off',
    'unavailable',
    ({ response }) => {
      response.writeHead(200).write('data: 1\n\n')
      response.socket?.destroySoon()
    },
  ],
  [
    'sends a line without end',
    'malformed',
    ({ response }) => void response.writeHead(200).write('x'.repeat(4 << 20)),
  ],
] satisfies [string, string, Script][])('a stream that %s ends as %s', async (_, fault, script) => {
  upstream.script(script)
  const answer = await ask(provider(), { stream: true })
  expect(await faultOf(readAll(answer))).toEqual([fault, undefined])
})

test('an aborted question ends at once and closes the connection', async () => {
  upstream.script(() => {})
  const controller = new AbortController()
  const asking = ask(provider({ firstByteMs: 30_000 }), {}, controller.signal)
  await expect.poll(() => upstream.seen.length).toBe(1)
  controller.abort()
  expect((await faultOf(asking))[0]).toBe('unavailable')
  await expect.poll(() => upstream.seen[0]!.closedEarly).toBe(true)
})

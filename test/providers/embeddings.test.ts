import OpenAI from 'openai'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Clock } from '../../src/clock.ts'
import { openAiProvider } from '../../src/providers/openai.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { simulatedProvider } from '../../src/providers/simulated.ts'
import type { EmbeddingsBody } from '../../src/wire/embeddings.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { faultOf } from './reading.ts'

const VECTORS = {
  object: 'list',
  data: [{ object: 'embedding', index: 0, embedding: [0.1, -0.2] }],
  model: 'text-embedding-3-small',
  usage: { prompt_tokens: 5, total_tokens: 5 },
}

let upstream: Upstream
let opened: Provider[] = []
beforeEach(async () => {
  upstream = await startUpstream()
  upstream.script(({ response }) => void response.end(JSON.stringify(VECTORS)))
})
afterEach(async () => {
  await Promise.all(opened.map((one) => one.close()))
  opened = []
  await upstream.close()
})

const of = (kind?: string): Provider => {
  const facts = { id: 'up', kind, baseUrl: upstream.url, key: 'k', firstByteMs: 2_000, idleMs: 2_000 }
  const made = openAiProvider(facts)
  opened.push(made)
  return made
}
const embed = (one: Provider, more: Partial<EmbeddingsBody> = {}) =>
  one.embed!({
    body: { model: 'ours', input: 'Hello', ...more },
    model: 'theirs',
    signal: new AbortController().signal,
  })

test('a request goes to /embeddings under the host’s name of the model, and vectors come back as they are', async () => {
  const answer = await embed(of(), { input: ['a', 'b'], dimensions: 2, user: 'me', encoding_format: 'float' })
  expect(upstream.seen[0]!.url).toBe('/v1/embeddings')
  expect(upstream.seen[0]!.body).toEqual({
    model: 'theirs',
    input: ['a', 'b'],
    dimensions: 2,
    user: 'me',
    encoding_format: 'float',
  })
  expect(JSON.parse(answer.text)).toEqual(VECTORS)
  expect(answer.body.usage).toEqual(VECTORS.usage)
})

test('a host is asked in its own words', async () => {
  await embed(of('mistral'), { dimensions: 2, user: 'me' })
  expect(upstream.seen[0]!.body).toEqual({ model: 'theirs', input: 'Hello', output_dimension: 2 })
  expect(await faultOf(embed(of('cohere'), { dimensions: 2 }))).toEqual(['unfit', undefined])
})

test('Voyage names no floats, and counts the total', async () => {
  const { usage: _, ...rest } = VECTORS
  upstream.script(
    ({ response }) => void response.end(JSON.stringify({ ...rest, usage: { total_tokens: 7 } })),
  )
  const answer = await embed(of('voyage'), { dimensions: 2, encoding_format: 'float' })
  expect(upstream.seen[0]!.body).toEqual({ model: 'theirs', input: 'Hello', output_dimension: 2 })
  expect(answer.body.usage).toEqual({ prompt_tokens: 7, total_tokens: 7 })
  await embed(of('voyage'), { encoding_format: 'base64' })
  expect(upstream.seen[1]!.body).toMatchObject({ encoding_format: 'base64' })
})

test('whatever form a host gives vectors in, they arrive in the one that was asked for, as the SDK asks for it too', async () => {
  const floats = [0.5, -0.25]
  const base64 = Buffer.from(Float32Array.from(floats).buffer).toString('base64')
  const gives = (embedding: unknown) =>
    upstream.script(
      ({ response }) => void response.end(JSON.stringify({ ...VECTORS, data: [{ index: 0, embedding }] })),
    )
  const got = async (encoding_format?: 'float' | 'base64') => {
    const answer = await embed(of(), encoding_format ? { encoding_format } : {})
    expect(JSON.parse(answer.text)).toEqual(answer.body)
    return (answer.body.data as { embedding: unknown }[])[0]!.embedding
  }
  for (const form of [floats, base64]) {
    gives(form)
    expect([await got(), await got('float'), await got('base64')]).toEqual([floats, floats, base64])
  }
  const host = of()
  const fetch = async (_: unknown, init?: RequestInit) => {
    const body = JSON.parse(String(init?.body)) as EmbeddingsBody
    return new Response((await embed(host, body)).text, { headers: { 'content-type': 'application/json' } })
  }
  const client = new OpenAI({ apiKey: 'none', baseURL: 'http://127.0.0.1:1', fetch, maxRetries: 0 })
  gives(floats)
  const { data } = await client.embeddings.create({ model: 'ours', input: 'Hello' })
  expect([...data[0]!.embedding]).toEqual(floats)
})

test('vectors of another length than was asked for are no answer', async () => {
  expect(await faultOf(embed(of(), { dimensions: 3 }))).toEqual(['unfit', undefined])
  expect(await faultOf(embed(of(), { dimensions: 3, encoding_format: 'base64' }))).toEqual([
    'unfit',
    undefined,
  ])
})

test('a host that makes no embeddings says so before it is asked', () => {
  expect(of('groq').embed).toBeUndefined()
  expect(of('openai').embed).toBeDefined()
})

test('what a host refuses is refused', async () => {
  upstream.script(({ response }) => void response.writeHead(429, { 'retry-after': '2' }).end('{}'))
  expect(await faultOf(embed(of()))).toEqual(['rate_limited', 2_000])
  upstream.script(({ response }) => void response.end('nope'))
  expect(await faultOf(embed(of()))).toEqual(['malformed', undefined])
})

const clock: Clock = { now: () => 1_700_000_000_000, sleep: async () => {} }
const simulated = simulatedProvider({ id: 'sim', clock, firstTokenMs: 1, tokenMs: 1 })
type Vectors = { data: { index: number; embedding: number[] | string }[]; usage: { prompt_tokens: number } }
const simulate = async (more: Partial<EmbeddingsBody>): Promise<Vectors> =>
  JSON.parse((await embed(simulated, more)).text) as Vectors

test('the simulated provider gives the same vector of length 1 for the same text', async () => {
  const { data, usage } = await simulate({ input: ['one', 'two', 'one'], dimensions: 5 })
  const vectors = data.map(({ embedding }) => embedding as number[])
  expect(vectors[0]).toEqual(vectors[2])
  expect(vectors[0]).not.toEqual(vectors[1])
  expect(vectors[0]).toHaveLength(5)
  expect(Math.hypot(...vectors[1]!)).toBeCloseTo(1, 5)
  expect(usage.prompt_tokens).toBe(3)
})

test('it takes tokens, and gives base64 where that is asked for', async () => {
  expect((await simulate({ input: [1, 2, 3] })).data).toHaveLength(1)
  expect((await simulate({ input: [[1], [2, 3]] })).usage.prompt_tokens).toBe(3)
  const { data } = await simulate({ encoding_format: 'base64' })
  expect(Buffer.from(data[0]!.embedding as string, 'base64')).toHaveLength(32)
})

import { expect, test } from 'vitest'
import { builtinModels, readBuiltin } from '../../src/catalog/builtin.ts'
import { createCatalog, type Model } from '../../src/catalog/catalog.ts'
import { createApp } from '../../src/http/app.ts'
import { modelsResource } from '../../src/http/models.ts'
import { quietLog } from '../../src/log.ts'
import { model, prices } from '../support/models.ts'

type Host = {
  provider: string
  model: string
  input_per_million: string
  output_per_million: string
  cached_input_per_million: string
  cache_write_per_million: string
  tiers?: { over_input_tokens: number; input_per_million: string }[]
  later?: { from: string; input_per_million: string }[]
  context_length?: number
  capabilities?: string[]
  takes_temperature?: boolean
  source?: { by: string[]; date?: string; flag?: string }
}
type Listed = {
  id: string
  kind: string
  created: number
  owned_by: string
  capabilities: string[] | null
  deprecated?: string
  scores?: Record<string, number>
  hosts: Host[]
}

const builtin = readBuiltin()
const providers = new Map(
  ['openai', 'anthropic', 'google', 'groq', 'openrouter', 'llmgateway'].map((id) => [id, [id]]),
)
const known = builtinModels({ builtin, providers, day: '2026-11-21' })
const appOf = (models: readonly Model[], margin = 50_000n) =>
  createApp({
    publicUrl: 'https://router.test',
    log: quietLog,
    resources: [modelsResource({ catalog: createCatalog(models), margin })],
  })
const app = appOf(known)
const list = async (query = '', from = app): Promise<Listed[]> => {
  const reply = await from.request(`/v1/models${query}`)
  expect(reply.status).toBe(200)
  const body = (await reply.json()) as { object: string; data: Listed[] }
  expect(body.object).toBe('list')
  return body.data
}
const hostsOf = (models: readonly Listed[]): Host[] => models.flatMap((one) => one.hosts)

test('the list tells each model with what all its hosts ask, from when and from whom that is known', async () => {
  const models = await list()
  expect(models.length).toBe(known.length)
  const sonnet = models.find((one) => one.id === 'anthropic/claude-sonnet-5')!
  expect(sonnet).toMatchObject({ object: 'model', kind: 'chat', owned_by: 'anthropic', margin_percent: '5' })
  expect(sonnet.created).toBe(Date.parse('2026-06-30') / 1_000)
  expect(sonnet.hosts.find((one) => one.provider === 'anthropic')).toMatchObject({
    model: 'claude-sonnet-5',
    input_per_million: '3',
    cached_input_per_million: '0.3',
    cache_write_per_million: '3.75',
    output_per_million: '15',
    takes_temperature: false,
    source: { by: ['models.dev', 'genai-prices', 'portkey'] },
  })
  const gpt = models.find((one) => one.id === 'openai/gpt-5.5')!
  expect(gpt.hosts.find((one) => one.provider === 'openai')!.tiers).toMatchObject([
    { over_input_tokens: 272_000, input_per_million: '10' },
  ])
  const gemini = models.find((one) => one.id === 'google/gemini-3.6-flash')!
  expect(gemini.hosts[0]!.later).toMatchObject([{ from: '2027-01-01', input_per_million: '1.5' }])
  expect(models.find((one) => one.id === 'openai/gpt-4o')!.deprecated).toBe('2027-01-14')
  expect(models.filter((one) => one.scores).length).toBeGreaterThan(20)
})

test('what a host must be able to do narrows the list to the hosts that say they can', async () => {
  const can = await list('?supports=tools,vision')
  expect(can.length).toBeGreaterThan(10)
  for (const host of hostsOf(can))
    expect(host.capabilities).toEqual(expect.arrayContaining(['tools', 'vision']))
  const sonnet = can.find((one) => one.id === 'anthropic/claude-sonnet-5')!
  expect(sonnet.hosts.map((one) => one.provider)).not.toContain('llmgateway')
})

test.each<[string, (model: Listed) => boolean]>([
  ['?provider=groq', (one) => one.hosts.every((host) => host.provider === 'groq')],
  ['?provider=groq,openai', (one) => one.hosts.every((host) => ['groq', 'openai'].includes(host.provider))],
  ['?lab=anthropic', (one) => one.owned_by === 'anthropic'],
  ['?kind=embedding', (one) => one.kind === 'embedding'],
  ['?max_price=1.5', (one) => one.hosts.every((host) => Number(host.output_per_million) <= 1.5)],
  ['?min_context=1000000', (one) => one.hosts.every((host) => (host.context_length ?? 0) >= 1_000_000)],
  ['?q=FLASH', (one) => one.id.includes('flash')],
  [
    '?q=gemini&supports=audio&max_price=4&kind=chat',
    (one) => one.id.includes('gemini') && one.hosts.every((host) => host.capabilities?.includes('audio')),
  ],
])('%s leaves what it asks for', async (query, fits) => {
  const models = await list(query)
  expect(models.length).toBeGreaterThan(0)
  expect(models.length).toBeLessThan(known.length)
  expect(models.filter((one) => !fits(one))).toEqual([])
})

test.each([
  ['?supports=flying', 'supports'],
  ['?kind=image', 'kind'],
  ['?max_price=cheap', 'max_price'],
  ['?max_price=-1', 'max_price'],
  ['?min_context=1e6', 'min_context'],
])('%s is refused, with the name of the filter', async (query, param) => {
  const reply = await app.request(`/v1/models${query}`)
  const { error } = (await reply.json()) as { error: { code: string; param: string } }
  expect([reply.status, error.code, error.param]).toEqual([400, 'invalid_request', param])
})

test('nothing fits: an empty list', async () => {
  expect(await list('?q=no-such-model')).toEqual([])
  expect(await list('?provider=')).toEqual([])
})

test('a model that the configuration lists is told with what is known of it', async () => {
  const own = model('a/small', { at: prices('1', '2', '0.5') })
  const [listed] = await list('', appOf([own], 0n))
  expect(listed).toMatchObject({
    id: 'a/small',
    owned_by: 'a',
    created: 0,
    capabilities: null,
    margin_percent: '0',
    hosts: [
      { provider: 'up', input_per_million: '1', cached_input_per_million: '0.5', output_per_million: '2' },
    ],
  })
  expect(await list('?supports=tools', appOf([own]))).toEqual([])
})

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseRate } from '../../src/money.ts'
import { buildCatalog, type CatalogHost, type CatalogModel } from '../../tools/catalog/build.ts'
import { printCatalog, printProviders } from '../../tools/catalog/main.ts'
import { readRows } from '../../tools/catalog/rows.ts'

const rows = readRows()
const made = new Map<string, ReturnType<typeof buildCatalog>>()
const on = (day: string) => made.get(day) ?? made.set(day, buildCatalog(rows, day)).get(day)!
const committed = readFileSync(new URL('../../data/catalog.json', import.meta.url), 'utf8')
const DAY = (JSON.parse(committed) as { date: string }).date
const catalog = on(DAY)

type Printed = {
  input: string
  output: string
  cachedInput?: string
  cacheWrite?: string
  tiers?: (Record<string, string> & { over: number })[]
}
const modelOf = (id: string, day = DAY): CatalogModel => on(day).models.find((one) => one.id === id)!
const hostOf = (id: string, provider: string, day = DAY): CatalogHost =>
  modelOf(id, day).hosts.find((one) => one.provider === provider)!
const pricesOf = (id: string, provider: string, day = DAY): Printed =>
  hostOf(id, provider, day).prices as Printed
const hosts = catalog.models.flatMap((model) =>
  model.hosts.map((host) => ({ ...host, id: model.id, kind: model.kind })),
)
const idsAt = (provider: string) => hosts.filter((one) => one.provider === provider).map((one) => one.model)

test('the committed catalogue is what its facts give, to the byte', () => {
  expect(printCatalog(catalog) === committed).toBe(true)
  expect(printCatalog(buildCatalog(readRows(), DAY)) === committed).toBe(true)
  expect(printProviders(catalog)).toBe(
    readFileSync(new URL('../../data/providers.json', import.meta.url), 'utf8'),
  )
})

test('it holds 220 models and more, most with a price that two sources confirm', () => {
  expect(catalog.models.length).toBeGreaterThanOrEqual(220)
  const confirmed = catalog.models.filter((one) => one.hosts.some((host) => host.flag === undefined))
  expect(confirmed.length).toBeGreaterThanOrEqual(220)
  expect(catalog.models.filter((one) => one.kind === 'embedding').length).toBeGreaterThan(20)
  expect(catalog.models.filter((one) => one.scores).length).toBeGreaterThan(60)
})

test('every price is a decimal string with its sources, and nothing that writes is sold at 0', () => {
  const wrong = hosts.filter(({ prices, kind, by }) => {
    const { tiers, ...plain } = prices as Printed
    const all = [plain, ...(tiers ?? []).map(({ over: _over, ...tier }) => tier)]
    return (
      by.length === 0 ||
      all.some((one) => Object.values(one).some((text) => parseRate(text as string) === undefined)) ||
      plain.input === '0' ||
      (kind === 'chat' && plain.output === '0')
    )
  })
  expect(wrong).toEqual([])
  expect(committed).not.toMatch(/"(input|output|cachedInput|cacheWrite)":\d/)
})

test('a price of one source is flagged, and so is one on which sources differ', () => {
  expect(hosts.filter((one) => one.by.length === 1 && one.flag === undefined)).toEqual([])
  expect(hostOf('openai/gpt-5.6-sol', 'openai')).toMatchObject({
    prices: { input: '5', output: '30' },
    flag: 'sources-differ',
  })
})

test.each([
  ['2026-08-15', '2', '10', '0.2', '2.5'],
  ['2026-08-31', '2', '10', '0.2', '2.5'],
  ['2026-09-01', '3', '15', '0.3', '3.75'],
  ['2027-02-01', '3', '15', '0.3', '3.75'],
])('on %s Claude Sonnet 5 costs %s/%s', (day, input, output, cachedInput, cacheWrite) => {
  expect(pricesOf('anthropic/claude-sonnet-5', 'anthropic', day)).toMatchObject({
    input,
    output,
    cachedInput,
    cacheWrite,
  })
})

test('a catalogue made before a known change holds the later price too', () => {
  expect(hostOf('anthropic/claude-sonnet-5', 'anthropic', '2026-08-15').later).toMatchObject([
    { from: '2026-09-01', input: '3', output: '15' },
  ])
  expect(hostOf('anthropic/claude-sonnet-5', 'anthropic', '2026-09-01').later).toBeUndefined()
})

test.each(['google/gemini-3.6-flash', 'google/gemini-3.7-flash', 'google/gemini-3.8-flash'])(
  '%s keeps its introductory price until the end of 2026',
  (id) => {
    expect(pricesOf(id, 'google', '2026-12-31')).toMatchObject({ input: '0.75', output: '3.75' })
    expect(hostOf(id, 'google', '2026-12-31').later).toMatchObject([
      { from: '2027-01-01', input: '1.5', output: '7.5' },
    ])
    expect(pricesOf(id, 'google', '2027-01-01')).toMatchObject({ input: '1.5', output: '7.5' })
  },
)

test('who resells at the maker’s old price is quoted at the new one, flagged', () => {
  expect(hostOf('anthropic/claude-sonnet-5', 'vercel', '2026-09-01')).toMatchObject({
    prices: { input: '3', output: '15' },
    flag: 'follows-maker',
  })
})

test('a price cut that sources date is the price from its day on', () => {
  expect(pricesOf('openai/gpt-5.6-luna', 'openai', '2026-07-15')).toMatchObject({ input: '1', output: '6' })
  expect(pricesOf('openai/gpt-5.6-luna', 'openai')).toMatchObject({ input: '0.2', output: '1.2' })
})

test('trap 1: trials, previews and free variants are not sold', () => {
  const providers = new Set(hosts.map((one) => one.provider))
  for (const one of ['github-models', 'llama', 'nova', 'poolside']) expect(providers.has(one)).toBe(false)
  expect(hosts.filter((one) => /:free$/.test(one.model))).toEqual([])
})

test('trap 2: prices that are off by a unit are not believed', () => {
  expect(pricesOf('moonshotai/kimi-k3', 'moonshotai')).toMatchObject({ input: '3', output: '15' })
  expect(pricesOf('minimax/minimax-m2.7', 'minimax')).toMatchObject({ input: '0.3', output: '1.2' })
  expect(pricesOf('moonshotai/kimi-k3', 'fireworks-ai')).toMatchObject({ input: '3', output: '15' })
  // The price of another model, pasted in.
  expect(hostOf('mistral/mistral-large-2411', 'mistral')).toMatchObject({
    prices: { input: '2', output: '6' },
  })
  expect(hostOf('mistral/mistral-large-2411', 'mistral').flag).toBeUndefined()
  const together = modelOf('alibaba/qwen3.5-397b-a17b').hosts.find((one) => one.provider === 'togetherai')
  expect(Number((together?.prices as Printed | undefined)?.input ?? 0)).toBeLessThan(2)
})

test('trap 3: a pattern that catches too much does not price what it caught', () => {
  expect(hostOf('mistral/mistral-medium-2604', 'mistral')).toMatchObject({
    prices: { input: '1.5', output: '7.5' },
    flag: 'one-source',
  })
  expect(pricesOf('openai/gpt-4o-2024-05-13', 'openai', '2026-08-15')).toMatchObject({
    input: '5',
    output: '15',
  })
})

test('trap 4: the price of an image token is not sold as that of text, and vectors are not output', () => {
  expect(hosts.filter((one) => /-image/.test(one.model))).toEqual([])
  const embeddings = catalog.models.filter((one) => one.kind === 'embedding')
  expect(embeddings.filter((one) => one.hosts.some((host) => host.maxOutput !== undefined))).toEqual([])
  expect(hosts.some((one) => one.provider === 'helicone' && one.model === 'mistral-nemo')).toBe(false)
})

test('trap 5: the majority can be old; in doubt the higher price is quoted, flagged', () => {
  expect(pricesOf('xai/grok-4.20-reasoning', 'xai')).toMatchObject({ input: '1.25', output: '2.5' })
  expect(hostOf('zhipuai/glm-4.6', 'openrouter')).toMatchObject({
    prices: { input: '0.5', output: '2' },
    flag: 'sources-differ',
  })
})

test('trap 6: hosts that want signed requests or your own deployment names are left out', () => {
  const providers = new Set(hosts.map((one) => one.provider))
  for (const one of ['amazon-bedrock', 'azure', 'google-vertex', 'google-vertex-anthropic'])
    expect(providers.has(one)).toBe(false)
})

test('trap 7: names that move to other models are left out', () => {
  const moving = /-latest\b|^~|^(deepseek-chat|deepseek-reasoner|qwen-plus|qwen-max|qwen-turbo|qwen-flash)$/
  expect(hosts.filter((one) => moving.test(one.model.split('/').at(-1)!))).toEqual([])
})

test('trap 8: what a host can do is taken from its own row', () => {
  const can = (provider: string) => hostOf('anthropic/claude-sonnet-5', provider).can
  expect(can('anthropic')).toContain('tools')
  expect(can('llmgateway')).not.toContain('tools')
  expect(hostOf('anthropic/claude-sonnet-4-6', 'anthropic').can).toContain('json_schema')
})

test('trap 9: what OpenAI answers over Responses only is not called over chat there; bases are those that answer', () => {
  expect(idsAt('openai').filter((id) => /-pro$|codex|deep-research/.test(id))).toEqual([])
  const base = (id: string) => catalog.providers.find((one) => one.id === id)
  expect(base('minimax')?.type).toBe('anthropic')
  expect(base('cohere')?.baseUrl).toBe('https://api.cohere.ai/compatibility/v1')
  expect(base('google')).toMatchObject({
    type: 'gemini',
    baseUrl: 'https://generativelanguage.googleapis.com/v1beta',
  })
})

test('trap 10: GPT-5.6 charges for cache writes', () => {
  expect(pricesOf('openai/gpt-5.6-terra', 'openai')).toMatchObject({ input: '2', cacheWrite: '2.5' })
  expect(pricesOf('openai/gpt-5.5', 'openai').cacheWrite).toBeUndefined()
})

test('trap 11: what its maker has ended is not sold, nor what only a price list knows', () => {
  const ids = new Set(catalog.models.map((one) => one.id))
  for (const id of [
    'anthropic/claude-opus-4-1',
    'anthropic/claude-3-haiku',
    'openai/o1',
    'xai/grok-4.1-fast-non-reasoning',
  ])
    expect(ids.has(id)).toBe(false)
  expect([...ids].filter((id) => id.startsWith('anthropic/claude-3'))).toEqual([])
  expect(idsAt('groq')).not.toContain('gemma-7b-it')
  expect(modelOf('openai/gpt-4o')).toMatchObject({ retires: '2027-01-14' })
  expect(on('2027-01-14').models.some((one) => one.id === 'openai/gpt-4o')).toBe(false)
})

test('a dearer price for long requests holds above its threshold, also where only one source knows it', () => {
  expect(pricesOf('openai/gpt-5.5', 'openai').tiers).toEqual([
    { over: 272_000, input: '10', output: '45', cachedInput: '1' },
  ])
  expect(pricesOf('openai/gpt-5.5', 'openrouter').tiers).toEqual(pricesOf('openai/gpt-5.5', 'openai').tiers)
  for (const { prices } of hosts) {
    for (const tier of (prices as Printed).tiers ?? []) {
      expect(parseRate(tier['input']!)! >= parseRate((prices as Printed).input)!).toBe(true)
    }
  }
})

test('a cached token never costs more than one that is not, and a written one never less', () => {
  const odd = hosts.filter(({ prices }) => {
    const { tiers = [], ...plain } = prices as Printed
    return [plain, ...(tiers as unknown as Printed[])].some((one) => {
      const [input, cached, written] = [one.input, one.cachedInput, one.cacheWrite].map((text) =>
        text === undefined ? undefined : parseRate(text),
      )
      return (cached !== undefined && cached > input!) || (written !== undefined && written < input!)
    })
  })
  expect(odd).toEqual([])
})

test('prices of reasoning, audio and images are kept beside those that are sold', () => {
  expect(hostOf('alibaba/qwen3-32b', 'alibaba').prices).toMatchObject({ output: '2.8', reasoning: '8.4' })
  expect(hosts.some((one) => 'audioInput' in one.prices)).toBe(true)
  expect(hosts.some((one) => 'cacheWrite1h' in one.prices)).toBe(true)
})

test('the same weights sold as a faster and dearer service are not a host of the model', () => {
  const inputs = modelOf('anthropic/claude-opus-4-7').hosts.map((one) =>
    Number((one.prices as Printed).input),
  )
  expect(Math.max(...inputs)).toBeLessThan(10)
})

test('two names of one provider for one service are one host', () => {
  const twice = catalog.models.flatMap((one) =>
    [
      ...Map.groupBy(one.hosts, (host) => `${one.id} at ${host.provider} for ${JSON.stringify(host.prices)}`),
    ].filter(([, same]) => same.length > 1),
  )
  expect(twice.map(([name]) => name)).toEqual([])
  expect(idsAt('anthropic')).toContain('claude-haiku-4-5')
  expect(idsAt('anthropic')).not.toContain('claude-haiku-4-5-20251001')
})

test('models that are billed for each request or search are left out', () => {
  expect(hosts.filter((one) => /sonar|search-preview|deep-research/.test(one.model))).toEqual([])
})

test('scores of one benchmark that were measured in different ways have different keys', () => {
  const scores = modelOf('anthropic/claude-opus-4-8').scores ?? {}
  expect(Object.keys(scores).some((key) => key.includes('#'))).toBe(true)
  const values = catalog.models.flatMap((one) =>
    Object.entries(one.scores ?? {}).map(([key, [value]]) => ({ key, value: value as number })),
  )
  expect(values.filter(({ key, value }) => !key.startsWith('elo:') && (value < 0 || value > 1))).toEqual([])
  expect(values.filter(({ key, value }) => key.startsWith('elo:') && value < 100)).toEqual([])
})

import { beforeAll, expect, test } from 'vitest'
import { builtinModels, nextChange, readBuiltin, readKnownProviders } from '../../src/catalog/builtin.ts'
import { createCatalog, type Model } from '../../src/catalog/catalog.ts'
import { parseRate } from '../../src/money.ts'
import { model } from '../support/models.ts'

const builtin = readBuiltin()
const everyone = new Map([...readKnownProviders().keys()].map((id) => [id, [id]]))
const on = (day: string, providers: ReadonlyMap<string, readonly string[]> = everyone): Model[] =>
  builtinModels({ builtin, providers, day })
let all: Model[]
beforeAll(() => {
  all = on(builtin.date)
})
const modelOf = (models: readonly Model[], id: string): Model => models.find((one) => one.id === id)!
const inputOf = (models: readonly Model[], id: string, provider: string) =>
  modelOf(models, id).hosts.find((one) => one.provider === provider)!.prices.input

test('every model of the catalogue is found by its own id, and no name leads to two', () => {
  const catalog = createCatalog(all)
  expect(all.length).toBeGreaterThanOrEqual(220)
  expect(all.filter((one) => catalog.find(one.id) !== one)).toEqual([])
})

test.each([
  ['claude-sonnet-4-6', 'anthropic/claude-sonnet-4-6'],
  ['claude-sonnet-4.6', 'anthropic/claude-sonnet-4-6'],
  ['anthropic/claude-sonnet-4.6', 'anthropic/claude-sonnet-4-6'],
  ['claude-haiku-4-5-20251001', 'anthropic/claude-haiku-4-5'],
  ['anthropic/claude-haiku-4-5-20251001', 'anthropic/claude-haiku-4-5'],
  ['openai:gpt-5.5', 'openai/gpt-5.5'],
  ['gpt-5.5-2026-04-23', 'openai/gpt-5.5'],
  ['GPT-5.5', 'openai/gpt-5.5'],
  ['groq:llama-3.3-70b-versatile', 'meta/llama-3.3-70b-instruct'],
  ['meta-llama/Llama-3.3-70B-Instruct', 'meta/llama-3.3-70b-instruct'],
  ['Llama-3.3-70B-Instruct-Turbo', 'meta/llama-3.3-70b-instruct'],
  ['accounts/fireworks/models/glm-5p2', 'zhipuai/glm-5.2'],
  ['z-ai/glm-5.2', 'zhipuai/glm-5.2'],
  ['text-embedding-3-small', 'openai/text-embedding-3-small'],
])('%s is %s', (name, id) => {
  expect(createCatalog(all).find(name)?.id).toBe(id)
})

test.each(['gpt-5.5-latest', 'nonsense', '', 'constructor', 'openai', 'anthropic/'])(
  '%j is no model',
  (name) => {
    expect(createCatalog(all).find(name)).toBeUndefined()
  },
)

test('an alias works also where its own host is not configured', () => {
  const catalog = createCatalog(on(builtin.date, new Map([['openai', ['openai']]])))
  expect(catalog.find('openai/gpt-5.5')?.hosts.map((one) => one.provider)).toEqual(['openai'])
  expect(catalog.find('databricks-gpt-5-5')?.id).toBe('openai/gpt-5.5')
})

test('a name that the configuration gives to its own model is that model’s', () => {
  const own = model('mine/gpt-5.5')
  expect(createCatalog([own, ...all]).find('gpt-5.5')).toBe(own)
  expect(createCatalog([own, ...all]).find('openai/gpt-5.5')?.id).toBe('openai/gpt-5.5')
})

test('a model stays only with the hosts that are configured, and goes with the last of them', () => {
  const few = on(builtin.date, new Map([['groq', ['my-groq', 'other-groq']]]))
  expect(new Set(few.flatMap((one) => one.hosts.map((host) => host.provider)))).toEqual(
    new Set(['my-groq', 'other-groq']),
  )
  expect(few.some((one) => one.id === 'anthropic/claude-sonnet-5')).toBe(false)
})

test('the price in force is that of the day, and a model goes on the day its maker ends it', () => {
  const rate = (text: string) => parseRate(text)
  expect(inputOf(on('2026-12-31'), 'google/gemini-3.6-flash', 'google')).toBe(rate('0.75'))
  expect(inputOf(on('2027-01-01'), 'google/gemini-3.6-flash', 'google')).toBe(rate('1.5'))
  expect(modelOf(on('2027-01-13'), 'openai/gpt-4o').facts?.deprecated).toBe('2027-01-14')
  expect(modelOf(on('2027-01-14'), 'openai/gpt-4o')).toBeUndefined()
})

test('the next day on which something changes is known', () => {
  expect(nextChange(on('2026-12-20'), '2026-12-20')).toBe('2027-01-01')
  expect(nextChange(on('2030-01-01'), '2030-01-01')).toBeUndefined()
})

test('reasoning is sold at the dearer of its price and that of output', () => {
  const { prices, extra } = modelOf(all, 'alibaba/qwen3-32b').hosts.find((one) => one.provider === 'alibaba')!
  expect(prices.output).toBe(parseRate('8.4'))
  expect(extra).toEqual({ reasoning: '8.4' })
})

test('a part that no source prices costs as much as input', () => {
  const { prices } = modelOf(all, 'alibaba/qwen3-32b').hosts.find((one) => one.provider === 'alibaba')!
  expect([prices.cachedInput, prices.cacheWrite]).toEqual([prices.input, prices.input])
})

test('a host says what it can do itself; the model can do what one of its hosts can', () => {
  const sonnet = modelOf(all, 'anthropic/claude-sonnet-5')
  const can = (provider: string) => sonnet.hosts.find((one) => one.provider === provider)!.capabilities!
  expect([can('anthropic').has('tools'), can('llmgateway').has('tools')]).toEqual([true, false])
  expect(sonnet.capabilities?.has('tools')).toBe(true)
  expect(can('anthropic').has('no_temperature')).toBe(true)
})

test('the catalogue with every provider is there within 60 ms of processor time', () => {
  const times = Array.from({ length: 5 }, () => {
    const from = process.cpuUsage()
    const models = builtinModels({ builtin: readBuiltin(), providers: everyone, day: builtin.date })
    createCatalog(models)
    const { user, system } = process.cpuUsage(from)
    return (user + system) / 1_000
  })
  // The first one also pays for compiling the code, and a garbage collection may fall into any.
  expect(Math.min(...times)).toBeLessThan(60)
})

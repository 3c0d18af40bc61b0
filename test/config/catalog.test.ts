import { expect, test } from 'vitest'
import { compareConfigs } from '../../src/config/reload.ts'
import { ConfigError, readConfig } from '../../src/config.ts'
import { parseRate } from '../../src/money.ts'

const SECRETS = { FAREBOX_QUOTE_SECRET: 'x'.repeat(32), FAREBOX_SETTLER_KEY: `0x${'11'.repeat(32)}` }
const ENV = { ...SECRETS, OPENAI_API_KEY: 'sk-openai', ANTHROPIC_API_KEY: 'sk-anthropic', UP_KEY: 'sk-up' }
const CHAINS = `
chains:
  - { id: "eip155:8453", rpc: ["https://rpc.test"], payTo: "0x${'ab'.repeat(20)}", assets: [{ symbol: USDC, address: "0x${'cd'.repeat(20)}", decimals: 6 }] }
`
const DAY = '2026-12-01'
const read = (yaml: string, env: Record<string, string> = ENV, day = DAY) =>
  readConfig(CHAINS + yaml, env, day)
const problemsOf = (yaml: string, env: Record<string, string> = ENV): readonly string[] => {
  try {
    read(yaml, env)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}
const ids = (yaml: string) => read(yaml).catalog.models.map((one) => one.id)
const hostOf = (yaml: string, id: string, day = DAY) => read(yaml, ENV, day).catalog.find(id)!.hosts[0]!
const rate = (text: string) => parseRate(text)

test('the id of a known provider and its key are enough to sell its models', () => {
  const config = read('providers: [{ id: openai }, { id: anthropic }]')
  expect(config.providers).toMatchObject([
    { id: 'openai', type: 'openai', baseUrl: 'https://api.openai.com/v1', keyEnv: 'OPENAI_API_KEY' },
    { id: 'anthropic', type: 'anthropic', keyEnv: 'ANTHROPIC_API_KEY' },
  ])
  expect(config.secrets.providerKeys).toEqual({ openai: 'sk-openai', anthropic: 'sk-anthropic' })
  expect(config.catalog.find('gpt-5.5')?.hosts.map((one) => one.provider)).toEqual(['openai'])
  expect(config.catalog.find('claude-sonnet-5')?.hosts.map((one) => one.provider)).toEqual(['anthropic'])
  expect(config.catalog.find('meta/llama-3.3-70b-instruct')).toBeUndefined()
})

test('of several names for a key the one that is set is taken', () => {
  const keyEnv = (env: Record<string, string>) =>
    read('providers: [{ id: google }]', { ...SECRETS, ...env }).providers[0]!.keyEnv
  expect(keyEnv({ GOOGLE_API_KEY: 'k' })).toBe('GOOGLE_API_KEY')
  expect(keyEnv({ GOOGLE_API_KEY: 'k', GEMINI_API_KEY: 'k' })).toBe('GEMINI_API_KEY')
  expect(problemsOf('providers: [{ id: google }]', SECRETS)).toEqual([
    'providers.0.keyEnv: GEMINI_API_KEY is not set',
  ])
})

test('an address with a part of your own is filled from the environment, or asked for', () => {
  const yaml = 'providers: [{ id: cloudflare-workers-ai }]'
  const env = { ...SECRETS, CLOUDFLARE_API_KEY: 'k' }
  expect(problemsOf(yaml, env)).toEqual([
    'providers.0.baseUrl: set CLOUDFLARE_ACCOUNT_ID, or write the address',
  ])
  expect(read(yaml, { ...env, CLOUDFLARE_ACCOUNT_ID: 'acc' }).providers[0]!.baseUrl).toBe(
    'https://api.cloudflare.com/client/v4/accounts/acc/ai/v1',
  )
})

test('a provider of another name serves whose models it names', () => {
  const yaml =
    'providers: [{ id: proxy, type: openai, baseUrl: "http://127.0.0.1:1/v1", catalog: openai }, { id: openai, catalog: none }]'
  expect(hostOf(yaml, 'gpt-5.5')).toMatchObject({ provider: 'proxy', model: 'gpt-5.5' })
  expect(read(yaml).catalog.find('gpt-5.5')?.hosts).toHaveLength(1)
  expect(problemsOf('providers: [{ id: up, type: simulated, catalog: nobody }]')).toEqual([
    'providers.0.catalog: the catalogue has no provider nobody',
  ])
})

const LISTED =
  'models: [{ id: openai/gpt-5.5, hosts: [{ provider: openai, model: mine }], inputPerMillion: "9", outputPerMillion: "10" }]'

test('a known provider at another address serves the models that are listed for it, and these alone', () => {
  const elsewhere = 'providers: [{ id: openai, type: openai, baseUrl: "http://127.0.0.1:1/v1" }]'
  expect(ids(`${elsewhere}\n${LISTED}`)).toEqual(['openai/gpt-5.5'])
  expect(ids(elsewhere).length).toBeGreaterThan(10)
  expect(ids(`${elsewhere.replace('" }', '", catalog: openai }')}\n${LISTED}`).length).toBeGreaterThan(10)
})

test('a listed model replaces the built-in one of its id, and stands beside the others', () => {
  const yaml = `providers: [{ id: openai }]\n${LISTED}`
  expect(read(yaml).catalog.find('openai/gpt-5.5')).toMatchObject({
    hosts: [{ provider: 'openai', model: 'mine', prices: { input: rate('9') } }],
  })
  expect(read(yaml).catalog.find('gpt-5.5-2026-04-23')).toBeUndefined()
  expect(read(yaml).catalog.find('gpt-5.4')).toBeDefined()
})

test('prices of your own contract hold in the place of the built-in ones; what they leave out stays', () => {
  const own = (line: string) => `providers: [{ id: openai }]\nprices: [${line}]`
  const built = hostOf('providers: [{ id: openai }]', 'gpt-5.5').prices
  const cheaper = hostOf(own('{ provider: openai, model: gpt-5.5, inputPerMillion: "4.5" }'), 'gpt-5.5')
  expect(cheaper.prices).toEqual({ ...built, input: rate('4.5') })
  expect(cheaper.source).toEqual({ by: ['configuration'] })
  const flat = hostOf(own('{ provider: openai, model: openai/gpt-5.5, tiers: [] }'), 'gpt-5.5')
  expect(flat.prices.tiers).toEqual([])
  expect(problemsOf(own('{ provider: groq, model: x, inputPerMillion: "1" }'))).toEqual([
    'prices.0.provider: there is no provider groq',
  ])
})

test('a contract does not change with the public price', () => {
  const yaml = 'providers: [{ id: google, keyEnv: UP_KEY }]'
  const own = `${yaml}\nprices: [{ provider: google, model: gemini-3.6-flash, inputPerMillion: "0.5" }]`
  expect(hostOf(yaml, 'gemini-3.6-flash', '2027-01-01').prices.input).toBe(rate('1.5'))
  expect(hostOf(own, 'gemini-3.6-flash', '2027-01-01').prices.input).toBe(rate('0.5'))
  expect([hostOf(yaml, 'gemini-3.6-flash').later?.length, hostOf(own, 'gemini-3.6-flash').later]).toEqual([
    1,
    undefined,
  ])
})

test('prices can be those of another day', () => {
  const yaml = 'providers: [{ id: google, keyEnv: UP_KEY }]'
  expect(hostOf(`${yaml}\ncatalog: { date: 2027-01-01 }`, 'gemini-3.6-flash').prices.input).toBe(rate('1.5'))
  expect(read(yaml).nextPriceChange).toBe('2027-01-01')
  expect(read(`${yaml}\ncatalog: { date: 2027-01-01 }`).nextPriceChange).toBeUndefined()
  expect(problemsOf(`${yaml}\ncatalog: { date: 2027-02-30 }`)[0]).toMatch(/^catalog\.date: /)
})

test('without the built-in catalogue only what is listed is sold', () => {
  expect(ids(`providers: [{ id: openai }]\ncatalog: { builtin: false }\n${LISTED}`)).toEqual([
    'openai/gpt-5.5',
  ])
})

test.each([
  'providers: [{ id: up, type: simulated }]',
  'providers: [{ id: openai }]\ncatalog: { builtin: false }',
  'providers: [{ id: openai, catalog: none }]',
])('where nothing can be called it is said: %s', (yaml) => {
  expect(problemsOf(yaml)).toEqual([
    'models: nothing can be called: configure a provider of the catalogue (openai, anthropic, google, groq, openrouter …) or list models',
  ])
})

test('a listed model may have a price for cache writes and dearer prices for long requests', () => {
  const more =
    'cacheWritePerMillion: "11", tiers: [{ over: 200000, inputPerMillion: "18", outputPerMillion: "20" }]'
  const yaml = `providers: [{ id: openai }]\n${LISTED.replace('outputPerMillion: "10"', `outputPerMillion: "10", ${more}`)}`
  expect(hostOf(yaml, 'openai/gpt-5.5').prices).toEqual({
    input: rate('9'),
    output: rate('10'),
    cachedInput: rate('9'),
    cacheWrite: rate('11'),
    tiers: [
      {
        over: 200_000,
        input: rate('18'),
        output: rate('20'),
        cachedInput: rate('18'),
        cacheWrite: rate('18'),
      },
    ],
  })
})

test('a new day on which a price changes, and a new price of your own, are taken over while the router runs', () => {
  const yaml = 'providers: [{ id: google, keyEnv: UP_KEY }]'
  const own = `${yaml}\nprices: [{ provider: google, model: gemini-3.6-flash, inputPerMillion: "0.5" }]`
  expect(compareConfigs(read(yaml), read(yaml))).toEqual({ changed: [], refused: [] })
  expect(compareConfigs(read(yaml, ENV, '2026-12-31'), read(yaml, ENV, '2027-01-01'))).toEqual({
    changed: ['catalog.prices'],
    refused: [],
  })
  expect(compareConfigs(read(yaml), read(own)).changed).toEqual(expect.arrayContaining(['prices']))
  expect(compareConfigs(read(yaml), read(own)).refused).toEqual([])
})

import { expect, test } from 'vitest'
import { compareConfigs } from '../../src/config/reload.ts'
import { readConfig } from '../../src/config.ts'

const ENV = {
  FAREBOX_QUOTE_SECRET: 'a-quote-secret-that-is-long-enough-for-tests',
  FAREBOX_SETTLER_KEY: `0x${'11'.repeat(32)}`,
  UP_KEY: 'key-one',
}
const PARTS = {
  server: '{ port: 1 }',
  chains:
    '[{ id: "eip155:8453", rpc: ["http://127.0.0.1:1"], payTo: "0x1111111111111111111111111111111111111111", assets: [{ symbol: USDC, address: "0x1111111111111111111111111111111111111112" , decimals: 6, name: USD Coin, version: "2", methods: [eip3009] }] }]',
  providers: '[{ id: up, type: simulated, keyEnv: UP_KEY }, { id: down, type: simulated }]',
  models:
    '[{ id: a/one, hosts: [{ provider: up, model: m }], inputPerMillion: "1", outputPerMillion: "2" }, { id: a/two, hosts: [{ provider: up, model: m }], inputPerMillion: "1", outputPerMillion: "2" }]',
}
const read = (change: Record<string, string> = {}, env: Record<string, string> = {}) =>
  readConfig(
    Object.entries({ ...PARTS, ...change })
      .map(([key, value]) => `${key}: ${value}`)
      .join('\n'),
    { ...ENV, ...env },
  )
const compare = (change: Record<string, string> = {}, env: Record<string, string> = {}) =>
  compareConfigs(read(), read(change, env))

test('the same file changes nothing', () => {
  expect(compare()).toEqual({ changed: [], refused: [] })
})

const LIVE: [string, Record<string, string>, Record<string, string>, string[]][] = [
  ['a price', { models: PARTS.models.replace('"2"', '"4"') }, {}, ['models.a/one.outputPerMillion']],
  [
    'a model more',
    { models: PARTS.models.replace('a/two', 'a/three') },
    {},
    ['models.a/two', 'models.a/three'],
  ],
  ['the margin', { pricing: '{ marginPercent: "7" }' }, {}, ['pricing.marginPercent']],
  ['what is risked', { exposure: '{ total: "9" }' }, {}, ['exposure.total']],
  ['how long quotes last', { quote: '{ ttlSeconds: 30 }' }, {}, ['quote.ttlSeconds']],
  ['the key of a provider', {}, { UP_KEY: 'key-two' }, ['providers.up.keyEnv']],
  [
    'where a provider is',
    { providers: PARTS.providers.replace('id: down, ', 'id: down, baseUrl: "http://127.0.0.1:9", ') },
    {},
    ['providers.down.baseUrl'],
  ],
  [
    'the secret of quotes',
    {},
    { FAREBOX_QUOTE_SECRET: `${'new-'.repeat(10)},${ENV.FAREBOX_QUOTE_SECRET}` },
    ['quoteSecretEnv'],
  ],
  [
    'refunds and payouts',
    { refunds: '{ lost: none }', payouts: '{ above: "2" }' },
    {},
    ['refunds.lost', 'payouts.above'],
  ],
  ['how much is logged', { log: '{ level: warn }' }, {}, ['log.level']],
]

test.each(LIVE)('%s can change while the router runs', (_, change, env, changed) => {
  expect(compare(change, env)).toEqual({ changed, refused: [] })
})

const FIXED: [string, Record<string, string>, Record<string, string>, string[]][] = [
  ['where it listens', { server: '{ port: 2 }' }, {}, ['server.port']],
  ['its ledger', { store: '"memory:"' }, {}, ['store']],
  ['a node of a chain', { chains: PARTS.chains.replace(':1"]', ':2"]') }, {}, ['chains.eip155:8453.rpc']],
  ['a token', { chains: PARTS.chains.replace('USD Coin', 'Dollar') }, {}, ['chains.eip155:8453.assets']],
  ['the key that settles', {}, { FAREBOX_SETTLER_KEY: `0x${'22'.repeat(32)}` }, ['settler.keyEnv']],
  ['signing offers', { quote: '{ signOffers: false }' }, {}, ['quote.signOffers']],
]

test.each(FIXED)('%s cannot, and is named', (_, change, env, refused) => {
  expect(compare(change, env)).toEqual({ changed: [], refused })
})

test('no secret is in the names', () => {
  const { changed, refused } = compare({}, { UP_KEY: 'sesame', FAREBOX_SETTLER_KEY: `0x${'33'.repeat(32)}` })
  expect([...changed, ...refused]).toEqual(['providers.up.keyEnv', 'settler.keyEnv'])
})

import { expect, test } from 'vitest'
import { ConfigError, readConfig } from '../src/config.ts'

const ENV = { FAREBOX_QUOTE_SECRET: 'x'.repeat(32), FAREBOX_SETTLER_KEY: `0x${'11'.repeat(32)}` }
const GOOD = `
chains:
  - { id: "eip155:8453", rpc: ["https://rpc.test"], payTo: "0x${'aB'.repeat(20)}", assets: [{ symbol: USDC, address: "0x${'Cd'.repeat(20)}" }] }
providers:
  - { id: up, type: openai, baseUrl: "https://up.test/v1", keyEnv: UP_KEY }
models:
  - { id: a/small, hosts: [{ provider: up, model: there }], inputPerMillion: "0.15", cachedInputPerMillion: "0.075", outputPerMillion: "0.60" }
`
const env = { ...ENV, UP_KEY: 'sk-test' }

const problemsOf = (yaml: string, from: Record<string, string | undefined> = env): readonly string[] => {
  try {
    readConfig(yaml, from)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

test('a short file is enough: everything else has a default', () => {
  const config = readConfig(GOOD, env)
  expect(config).toMatchObject({
    server: { host: '127.0.0.1', port: 8402, bodyLimit: 4 << 20 },
    store: 'sqlite:./farebox.db',
    pricing: { marginPercent: 0n, defaultMaxOutput: 4096 },
    exposure: { perCall: 50_000n, perPayer: 1_000_000n, total: 50_000_000n },
    quote: { ttlSeconds: 90 },
    assets: [
      {
        chain: 'eip155:8453',
        address: `0x${'cd'.repeat(20)}`,
        payTo: `0x${'ab'.repeat(20)}`,
        decimals: 6,
        methods: ['eip3009'],
      },
    ],
  })
  expect(config.secrets).toEqual({
    quoteSecrets: ['x'.repeat(32)],
    settlerKey: Buffer.alloc(32, 0x11),
    providerKeys: { up: 'sk-test' },
    facilitator: { keys: [] },
    metricsKeys: [],
    operators: [],
  })
})

test('prices are exact, and a host may have its own', () => {
  const own = GOOD.replace(
    'model: there }',
    'model: there }, { provider: up, model: other, inputPerMillion: "0.000000000001" }',
  )
  const [first, second] = readConfig(own, env).catalog.find('a/small')!.hosts
  expect(first!.prices).toEqual({
    input: 150_000_000_000n,
    cachedInput: 75_000_000_000n,
    cacheWrite: 150_000_000_000n,
    output: 600_000_000_000n,
  })
  expect(second!.prices).toEqual({ input: 1n, cachedInput: 1n, cacheWrite: 1n, output: 600_000_000_000n })
})

test('all mistakes are told at once, each with its path, those of the environment too', () => {
  const bad = `
server: { port: 99999, hots: x }
store: "mysql://x"
chains:
  - { id: base, rpc: [nowhere], payTo: "0x12", assets: [{ symbol: USDC, address: "0x${'cd'.repeat(20)}", decimals: 6.5 }] }
providers:
  - { id: "a b", type: oracle }
models:
  - { id: a/small, hosts: [], inputPerMillion: 0.15, outputPerMillion: "-1" }
exposure: { perCall: 0.05, perPayer: "1e3" }
pricing: { marginPercent: "5%" }
`
  expect(problemsOf(bad, {})).toMatchInlineSnapshot(`
    [
      "server.port: Too big: expected number to be <=65535",
      "server.hots: is not a setting",
      "store: must be memory:, sqlite:FILE or redis://HOST:PORT/DB",
      "chains.0.id: must be a CAIP-2 id such as eip155:8453",
      "chains.0.rpc.0: Invalid URL",
      "chains.0.payTo: must be an address: 0x and 40 hex digits",
      "chains.0.assets.0.decimals: Invalid input: expected int, received number",
      "providers.0.id: must be 1 to 100 printable ASCII characters without spaces",
      "providers.0.type: Invalid option: expected one of "openai"|"anthropic"|"gemini"|"simulated"",
      "models.0.hosts: Too small: expected array to have >=1 items",
      "models.0.inputPerMillion: Invalid input: expected string, received number",
      "models.0.outputPerMillion: must be dollars per million tokens as a string, such as "0.15"",
      "pricing.marginPercent: must be a percentage as a string, such as "5"",
      "exposure.perCall: Invalid input: expected string, received number",
      "exposure.perPayer: must be dollars as a string, such as "0.05"",
      "quoteSecretEnv: set FAREBOX_QUOTE_SECRET to 32 random characters or more (openssl rand -hex 32)",
      "settler.keyEnv: set FAREBOX_SETTLER_KEY to a private key (0x and 64 hex digits) with some gas",
    ]
  `)
})

test.each([
  [
    'a host at a provider that is not there',
    GOOD.replace('provider: up,', 'provider: down,'),
    'models.0.hosts: there is no provider down',
  ],
  [
    'an openai provider without an address',
    GOOD.replace('baseUrl: "https://up.test/v1", ', ''),
    'providers.0.baseUrl: is needed for type openai',
  ],
  [
    'the same model twice',
    `${GOOD}  - { id: a/small, hosts: [{ provider: up, model: x }], inputPerMillion: "1", outputPerMillion: "1" }\n`,
    'models: a/small is there twice',
  ],
  [
    'a token of which too little is known',
    GOOD.replace('symbol: USDC,', 'symbol: XUSD, methods: [permit2],'),
    'chains.0.assets.0: XUSD at',
  ],
  ['an unknown key', `${GOOD}sevrer: {}\n`, 'sevrer: is not a setting'],
  ['an unknown key inside', `${GOOD}server: { hots: a }\n`, 'server.hots: is not a setting'],
  [
    'a secret in the file',
    GOOD.replace('keyEnv: UP_KEY', 'key: sk-live'),
    'providers.0.key: is not a setting',
  ],
  [
    'a name that no variable can have',
    GOOD.replace('keyEnv: UP_KEY', 'keyEnv: "sk-live 1"'),
    'providers.0.keyEnv: must be the name of an environment variable',
  ],
  [
    'a provider address that is no URL',
    GOOD.replace('https://up.test/v1', 'file:///etc'),
    'providers.0.baseUrl: Invalid URL',
  ],
  ['nothing', '', 'chains: Invalid input: expected array, received undefined'],
  ['a text', 'hello', 'file: Invalid input: expected object, received string'],
  ['no YAML', 'a: [', 'file: '],
  ['a key twice', `${GOOD}${GOOD}`, 'file: '],
])('%s is a mistake with its path', (_, yaml, problem) => {
  expect(
    problemsOf(yaml).some((one) => one.startsWith(problem)),
    problemsOf(yaml).join('\n'),
  ).toBe(true)
})

test.each([
  [
    'no quote secret',
    { FAREBOX_QUOTE_SECRET: undefined },
    'quoteSecretEnv: set FAREBOX_QUOTE_SECRET to 32 random characters',
  ],
  ['a short quote secret', { FAREBOX_QUOTE_SECRET: 'short' }, 'quoteSecretEnv: '],
  ['a short second quote secret', { FAREBOX_QUOTE_SECRET: `${'x'.repeat(32)},short` }, 'quoteSecretEnv: '],
  [
    'no settler key',
    { FAREBOX_SETTLER_KEY: undefined },
    'settler.keyEnv: set FAREBOX_SETTLER_KEY to a private key',
  ],
  ['half a settler key', { FAREBOX_SETTLER_KEY: '0x1234' }, 'settler.keyEnv: '],
  ['a settler key that is no key', { FAREBOX_SETTLER_KEY: `0x${'00'.repeat(32)}` }, 'settler.keyEnv: '],
  ['no provider key', { UP_KEY: undefined }, 'providers.0.keyEnv: UP_KEY is not set'],
])('%s is told by the name of its variable, and its value is not repeated', (_, change, problem) => {
  const problems = problemsOf(GOOD, { ...env, ...change })
  expect(problems).toHaveLength(1)
  expect(problems[0]).toContain(problem)
  expect(problems[0]).not.toMatch(/0x1234|short|0000/)
})

test('secrets can be rotated: several, separated by commas', () => {
  const config = readConfig(GOOD, { ...env, FAREBOX_QUOTE_SECRET: `${'a'.repeat(32)},${'b'.repeat(32)}` })
  expect(config.secrets.quoteSecrets).toEqual(['a'.repeat(32), 'b'.repeat(32)])
})

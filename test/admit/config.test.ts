import { expect, test } from 'vitest'
import { type Config, ConfigError, readConfig } from '../../src/config.ts'

const env = { FAREBOX_QUOTE_SECRET: 'x'.repeat(32), FAREBOX_SETTLER_KEY: `0x${'11'.repeat(32)}` }
const read = (more: string, provider = ''): Config =>
  readConfig(
    `
chains:
  - { id: "eip155:8453", rpc: ["https://rpc.test"], payTo: "0x${'ab'.repeat(20)}", assets: [{ symbol: USDC }] }
providers:
  - { id: up, type: openai, baseUrl: "https://up.test/v1"${provider} }
models:
  - { id: a/small, hosts: [{ provider: up, model: there }], inputPerMillion: "0.15", outputPerMillion: "0.60" }
${more}
`,
    env,
  )
const problemsOf = (more: string): readonly string[] => {
  try {
    read(more)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

test('there are limits without a word about them', () => {
  const config = read('')
  expect(config.limits).toEqual({
    unpaid: { perAddress: { perSecond: 50, burst: 200 } },
    paid: { perAddress: { perSecond: 100, burst: 400 }, perPayer: { perSecond: 50, burst: 200 } },
    signIn: { perAddress: { perSecond: 1, burst: 10 } },
  })
  expect(config.server).toMatchObject({ trustedProxies: [], headersMs: 10_000, requestMs: 30_000 })
  expect(config.providers[0]!.maxConcurrent).toBe(512)
})

test('each can be changed, or switched off by false or 0; the others stay', () => {
  const { limits } = read(
    'limits: { unpaid: { perAddress: false }, paid: { perPayer: 0 }, signIn: { perAddress: { perSecond: 0.1, burst: 3 } } }',
  )
  expect(limits).toEqual({
    unpaid: { perAddress: undefined },
    paid: { perAddress: { perSecond: 100, burst: 400 }, perPayer: undefined },
    signIn: { perAddress: { perSecond: 0.1, burst: 3 } },
  })
  expect(read('', ', maxConcurrent: 0').providers[0]!.maxConcurrent).toBe(0)
})

test.each([
  ['limits: { unpaid: { perAddress: true } }', /^limits\.unpaid\.perAddress: /],
  ['limits: { unpaid: { perAddress: { perSecond: 0, burst: 1 } } }', /^limits\.unpaid\.perAddress/],
  ['limits: { unpaid: { perAddress: { perSecond: 1 } } }', /^limits\.unpaid\.perAddress/],
  ['limits: { paid: { perCountry: false } }', /^limits\.paid\.perCountry: is not a setting$/],
  [
    'server: { trustedProxies: [balancer] }',
    /^server\.trustedProxies\.0: must be an address or a network such as 10\.0\.0\.0\/8$/,
  ],
  ['server: { headersMs: 0 }', /^server\.headersMs: /],
])('a mistake is told with its path: %s', (yaml, problem) => {
  expect(problemsOf(yaml)).toEqual([expect.stringMatching(problem)])
})

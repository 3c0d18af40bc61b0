import { expect, test } from 'vitest'
import { ConfigError, readConfig } from '../../src/config.ts'
import { openRelay } from '../../src/main/facilitator.ts'

const ENV = { FAREBOX_QUOTE_SECRET: 'x'.repeat(32), FAREBOX_SETTLER_KEY: `0x${'11'.repeat(32)}` }
const yaml = (facilitator: string) => `
chains:
  - { id: "eip155:8453", rpc: ["https://rpc.test"], payTo: "0x${'ab'.repeat(20)}", assets: [{ symbol: USDC }] }
providers: [{ id: up, type: simulated }]
models: [{ id: a/small, hosts: [{ provider: up, model: there }], inputPerMillion: "1", outputPerMillion: "1" }]
facilitator: ${facilitator}
`
const problemsOf = (facilitator: string, env: Record<string, string> = {}): readonly string[] => {
  try {
    readConfig(yaml(facilitator), { ...ENV, ...env })
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

test('nothing is said: no facilitator settles for us, and we are none', async () => {
  const config = readConfig(yaml('{}'), ENV)
  expect(config.facilitator).toMatchObject({ coinbase: false, fallback: 'own', serve: { enabled: false } })
  expect(await openRelay(config)).toBeUndefined()
})

test.each([
  ['{ url: "http://far.test" }', 'facilitator.url: must be https, or on this machine, without user or query'],
  [
    '{ url: "https://me:secret@far.test" }',
    'facilitator.url: must be https, or on this machine, without user or query',
  ],
  ['{ url: "https://far.test", keyEnv: FAR_KEY }', 'facilitator.keyEnv: FAR_KEY is not set'],
  ['{ coinbase: true }', 'facilitator.coinbase: needs keyIdEnv and keySecretEnv'],
  [
    '{ serve: { keysEnv: DOOR_KEYS } }',
    'facilitator.serve.keysEnv: set DOOR_KEYS to keys of 16 characters or more',
  ],
])('%s is a mistake that is named', (facilitator, problem) => {
  expect(problemsOf(facilitator)).toEqual([problem])
})

test('one facilitator settles for us, not two', () => {
  const both = '{ url: "https://far.test", coinbase: true, keyIdEnv: ID, keySecretEnv: SECRET }'
  expect(problemsOf(both, { ID: 'i', SECRET: 's' })).toEqual([
    'facilitator: url and coinbase exclude each other',
  ])
})

test('an empty list of keys is a mistake and never an open door', () => {
  expect(problemsOf('{ serve: { enabled: true, keysEnv: DOOR_KEYS } }', { DOOR_KEYS: '' })).toHaveLength(1)
  const keys = `${'a'.repeat(16)}, ${'b'.repeat(16)}`
  const config = readConfig(yaml('{ serve: { enabled: true, keysEnv: DOOR_KEYS } }'), {
    ...ENV,
    DOOR_KEYS: keys,
  })
  expect(config.secrets.facilitator.keys).toEqual(['a'.repeat(16), 'b'.repeat(16)])
})

test('without the package of Coinbase the router does not start, and says how to get it', async () => {
  const config = readConfig(yaml('{ coinbase: true, keyIdEnv: ID, keySecretEnv: SECRET }'), {
    ...ENV,
    ID: 'i',
    SECRET: 's',
  })
  await expect(openRelay(config)).rejects.toThrow('npm install @coinbase/x402')
})

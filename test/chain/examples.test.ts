import { generatePrivateKey, privateKeyToAddress } from 'viem/accounts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { mint } from '../../src/cli/demo/localnet.ts'
import { OTHER, organisation } from '../support/organisation.ts'
import { runNode } from '../support/run.ts'
import { startWorld, type World } from '../support/world.ts'

let world: World
const key = generatePrivateKey()
beforeAll(async () => {
  world = await startWorld()
  const { net, token } = world
  const to = privateKeyToAddress(key)
  await mint({ url: net.url, deployerKey: net.accounts[0]!.privateKey, token, to, amount: 5_000_000n })
})
afterAll(() => world.close())

test('the OpenAI package pays for a stream with the example of the README', async () => {
  const asset = `eip155:${world.net.chainId}/${world.token}`
  const { code, output } = await runNode(['examples/openai-sdk.ts', world.farebox.url, 'test/small', asset], {
    FAREBOX_WALLET_KEY: key,
  })
  expect(output).toContain('Hello there')
  expect(output).toContain('receipt verified')
  expect(code).toBe(0)
})

test('a stock x402 client pays with the example of the README', async () => {
  const args = [
    'examples/x402-fetch.ts',
    world.farebox.url,
    'test/small',
    `eip155:${world.net.chainId}`,
    world.token,
  ]
  const { code, output } = await runNode(args, { FAREBOX_WALLET_KEY: key })
  expect(output).toContain('200')
  expect(output).toContain('"success":true')
  expect(code).toBe(0)
})

test('an agent of an organisation waits for an approval and pays, with the example of the papers', async () => {
  const { key: own } = await organisation(world, { rules: { approveAbove: '0.000001' } })
  const { desk, deps } = world.farebox
  const asset = `eip155:${world.net.chainId}/${world.token}`
  const running = runNode(['examples/organisation-key.ts', world.farebox.url, 'test/small', asset], {
    FAREBOX_WALLET_KEY: key,
    FAREBOX_KEY: own.secret,
  })
  const waiting = async () => {
    const asked = await desk.run(OTHER, 'approval.list', { at: own.id, status: 'waiting' })
    return (asked as { approvals: { id: string }[] }).approvals[0]?.id
  }
  while ((await waiting()) === undefined) await new Promise((resolve) => setTimeout(resolve, 20))
  await desk.run(OTHER, 'approval.decide', { id: await waiting(), approve: true })
  const { code, output } = await running
  expect(output).toMatch(/^This waits for an approval: .* apr_\S+\n200 Hello there/)
  expect(code).toBe(0)
  const [call] = await deps.ledger.recent({ limit: 1 })
  expect(call).toMatchObject({ account: [...own.above, own.id], tags: { project: 'apollo' } })
})

test('the command line quotes and buys a call', async () => {
  const asset = `eip155:${world.net.chainId}/${world.token}`
  const quoted = await runNode([
    'bin/farebox.js',
    'quote',
    '-u',
    world.farebox.url,
    '-m',
    'test/small',
    'Say hello.',
  ])
  expect(quoted.output).toContain('costs at most $')
  expect(quoted.code).toBe(0)
  const args = [
    'bin/farebox.js',
    'call',
    '-u',
    world.farebox.url,
    '-m',
    'test/small',
    '--max-tokens',
    '50',
    '--asset',
    asset,
  ]
  for (const how of [[], ['--stream']]) {
    const bought = await runNode([...args, ...how, 'Say hello.'], { FAREBOX_WALLET_KEY: key })
    expect(bought.output).toContain('Hello there')
    expect(bought.output).toContain('receipt verified')
    expect(bought.code).toBe(0)
  }
  // Dearer than the credit that the calls before left.
  const dear = [...args, '-m', 'test/large', '--max-tokens', '900', '--max-usd', '0.01', 'Say hello.']
  const refused = await runNode(dear, { FAREBOX_WALLET_KEY: key })
  expect(refused.output).toContain('Not paid')
  expect(refused.code).toBe(1)
})

import { join } from 'node:path'
import { generatePrivateKey, privateKeyToAddress } from 'viem/accounts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { mint } from '../../src/cli/demo/localnet.ts'
import { runNode } from '../support/run.ts'
import { startWorld, type World } from '../support/world.ts'
import { mintUsdt } from '../support/x402-contracts.ts'

let world: World
const key = generatePrivateKey()
beforeAll(async () => {
  world = await startWorld({ x402: true, usdt: true })
  const { net, token, usdt } = world
  const grant = { url: net.url, deployerKey: net.accounts[0]!.privateKey, to: privateKeyToAddress(key) }
  await mint({ ...grant, token, amount: 5_000_000n })
  await mintUsdt({ ...grant, token: usdt, amount: 5_000_000n })
})
afterAll(() => world.close())

test('an agent with nothing but USDT pays with the example of the README', async () => {
  const { farebox, net, usdt } = world
  const args = ['examples/usdt-agent.ts', farebox.url, 'test/small', `eip155:${net.chainId}`, net.url, usdt]
  const { code, output } = await runNode(args, { FAREBOX_WALLET_KEY: key })
  expect(output).toContain('Hello there')
  expect(output).toContain('units of USDT, receipt verified')
  expect(code).toBe(0)
})

test('an agent pays out of a channel with the example of the README, and gets the rest back', async () => {
  const { farebox, net, token, dir } = world
  const env = { FAREBOX_WALLET_KEY: key, FAREBOX_CHANNELS: join(dir, 'channels.json') }
  const asset = `eip155:${net.chainId}/${token}`
  const { code, output } = await runNode(['examples/channel-agent.ts', farebox.url, 'test/small', asset], env)
  expect(output).toContain('three calls for $0.000042, receipt verified')
  expect(output).toContain('999958 units come back from 0x')
  expect(code).toBe(0)
})

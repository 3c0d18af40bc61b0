import type { LocalAccount } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deployUsdc, type Localnet, mint, startAnvil } from '../../src/cli/demo/localnet.ts'
import { type Fleet, startFleet } from '../support/fleet.ts'
import { type RedisProcess, startRedis } from '../support/redis.ts'
import { rollingRestart } from '../support/rolling.ts'
import { chunk, startUpstream, type Upstream } from '../support/upstream.ts'
import { CHAIN_ID } from '../support/world.ts'

let net: Localnet
let upstream: Upstream
let redis: RedisProcess
let fleet: Fleet
let token: `0x${string}`

beforeAll(async () => {
  net = await startAnvil({ chainId: CHAIN_ID })
  token = (await deployUsdc({ url: net.url, deployerKey: net.accounts[0]!.privateKey })).address
  upstream = await startUpstream()
  redis = await startRedis()
  fleet = await startFleet({
    instances: 2,
    store: redis.url,
    rpc: net.url,
    chainId: CHAIN_ID,
    token,
    upstream: upstream.url,
    settlerKey: net.accounts[1]!.privateKey,
    drainDelayMs: 1_500,
  })
}, 120_000)
afterAll(async () => {
  await fleet?.close()
  await redis?.stop()
  await upstream?.close()
  await net?.stop()
})

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

test('a fleet that is replaced one by one under load answers every paid call exactly once', async () => {
  upstream.script(async ({ body, response, write }) => {
    const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }
    if (!body['stream']) {
      await pause(200)
      response.writeHead(200, { 'content-type': 'application/json' })
      const message = { role: 'assistant', content: 'Hello there' }
      response.end(
        JSON.stringify({ ...chunk({}), choices: [{ index: 0, message, finish_reason: 'stop' }], usage }),
      )
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (let i = 0; i < 5; i++) {
      write(chunk({ content: `word${i} ` }))
      await pause(100)
    }
    write(chunk({}, 'stop'))
    write({ ...chunk({}), choices: [], usage })
    response.end('data: [DONE]\n\n')
  })
  const payers: LocalAccount[] = []
  for (let i = 0; i < 4; i++) {
    const account = privateKeyToAccount(generatePrivateKey())
    await mint({
      url: net.url,
      deployerKey: net.accounts[0]!.privateKey,
      token,
      to: account.address,
      amount: 10_000_000n,
    })
    payers.push(account)
  }
  const restartEach = async (i: number) => {
    expect(await fleet.kill(i, 'SIGTERM')).toBe('0')
    await fleet.restart(i)
  }
  const result = await rollingRestart({ url: fleet.url, instances: 2, restartEach, load: { payers } })
  expect(result.problems).toEqual([])
  expect(result.calls).toBeGreaterThan(8)
}, 120_000)

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { type Readiness, readinessSchema } from '../../src/http/readiness.ts'
import { behind, dead, type RpcProxy, startRpcProxy } from '../support/rpc-proxy.ts'
import { startWorld, type World } from '../support/world.ts'

let world: World
let first: RpcProxy
let second: RpcProxy
let ahead = 0
const ID = 'eip155:84532'

beforeAll(async () => {
  const clock = { ...systemClock, now: () => Date.now() + ahead }
  world = await startWorld({ options: { clock } })
  first = await startRpcProxy(world.net.url)
  second = await startRpcProxy(world.net.url)
  world.config.chains[0]!.rpc = [first.url, second.url]
  await world.restart({ clock })
  await world.rpc('anvil_mine', ['0x20'])
})
afterAll(async () => {
  await world.close()
  await first.close()
  await second.close()
})
afterEach(async () => {
  first.behave()
  second.behave()
  ahead = 0
})

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const ready = async () => {
  const response = await fetch(`${world.farebox.url}/readyz`)
  const body: Readiness = readinessSchema.parse(await response.json())
  return { status: response.status, ...body }
}
/** What it says once it has looked again. */
const readyNow = async () => {
  await pause(1_050)
  return ready()
}
const settler = () => world.farebox.deps.account.address

test('all is well: the checks have the block, the gas and every node', async () => {
  const { status, problems, checks } = await readyNow()
  expect([status, problems]).toEqual([200, []])
  const chain = checks.chains![ID]!
  expect(chain).toMatchObject({ ok: true, nodes: [{ ok: true }, { ok: true }] })
  expect([Number(chain.block) > 32, BigInt(chain.settlements!) > 200n]).toEqual([true, true])
  expect(checks.store).toMatchObject({ ok: true })
})

test('one dead node of two is a warning; two are the end of paid service', async () => {
  second.behave(dead)
  expect(await readyNow()).toMatchObject({
    status: 200,
    problems: [],
    warnings: [`${ID}: rpc.1 does not answer`],
  })
  first.behave(dead)
  expect(await readyNow()).toMatchObject({ status: 503, problems: [`${ID} does not answer`] })
})

test('a node that hangs keeps nobody waiting for longer than two seconds', async () => {
  second.behave(() => new Promise(() => {}))
  await pause(1_050)
  const from = performance.now()
  expect(await ready()).toMatchObject({ status: 200, warnings: [`${ID}: rpc.1 does not answer`] })
  expect(performance.now() - from).toBeLessThan(2_000)
}, 15_000)

test('a node that was switched to another chain stops paid service, and is named', async () => {
  second.behave(async (calls, forward) =>
    (await forward(calls)).map((answer, i) =>
      calls[i]!.method === 'eth_chainId' ? { ...answer, result: '0x1' } : answer,
    ),
  )
  let told = await readyNow()
  // The look before may still be waiting for a node that hung.
  for (let i = 0; i < 6 && told.status === 200; i++) told = await readyNow()
  expect(told).toMatchObject({ status: 503, problems: [`${ID}: rpc.1 serves eip155:1`] })
  second.behave()
  expect(await readyNow()).toMatchObject({ status: 200 })
}, 20_000)

test('a node that is far behind is named', async () => {
  second.behave(behind(20))
  const { status, warnings } = await readyNow()
  expect([status, warnings]).toEqual([200, [`${ID}: rpc.1 is 20 blocks behind`]])
})

test('a settler without gas cannot settle, and says so before anybody pays', async () => {
  const before = await world.rpc<string>('eth_getBalance', [settler(), 'latest'])
  await world.rpc('anvil_setBalance', [settler(), '0x0'])
  const { status, problems } = await readyNow()
  await world.rpc('anvil_setBalance', [settler(), before])
  expect([status, problems]).toEqual([503, [`the settler ${settler()} has no gas on ${ID}`]])
  expect((await readyNow()).status).toBe(200)
})

test('a base fee above what the operator pays stops paid service until it has fallen', async () => {
  await world.rpc('anvil_setNextBlockBaseFeePerGas', [`0x${(600n * 10n ** 9n).toString(16)}`])
  await world.rpc('anvil_mine', ['0x1'])
  const { status, problems } = await readyNow()
  await world.rpc('anvil_setNextBlockBaseFeePerGas', ['0x3b9aca00'])
  await world.rpc('anvil_mine', ['0x1'])
  expect([status, problems]).toEqual([503, [`${ID}: the base fee of 600000000000 wei is above maxFeeGwei`]])
  expect((await readyNow()).status).toBe(200)
})

test('a chain that stands still is not sold on', async () => {
  ahead = 3_600_000
  const { status, problems } = await readyNow()
  expect(status).toBe(503)
  expect(problems).toEqual([expect.stringMatching(/^eip155:84532: its newest block is 36\d\d s old$/)])
  expect((await fetch(`${world.farebox.url}/healthz`)).status).toBe(200)
})

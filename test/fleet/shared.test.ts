import { setTimeout as sleep } from 'node:timers/promises'
import { privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deployUsdc, type Localnet, mint, startAnvil } from '../../src/cli/demo/localnet.ts'
import { type Fleet, startFleet } from '../support/fleet.ts'
import { buy } from '../support/pay.ts'
import { type Sample, samplesOf, sumOf } from '../support/prometheus.ts'
import { type SharedRedis, sharedRedis } from '../support/redis.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { CHAIN_ID, hello } from '../support/world.ts'

let net: Localnet
let upstream: Upstream
let redis: SharedRedis
let fleet: Fleet
const chain = `eip155:${CHAIN_ID}`

beforeAll(async () => {
  redis = await sharedRedis()
  net = await startAnvil({ chainId: CHAIN_ID })
  const deployerKey = net.accounts[0]!.privateKey
  const token = (await deployUsdc({ url: net.url, deployerKey })).address
  const { address } = payer()
  await mint({ url: net.url, deployerKey, token, to: address, amount: 100_000_000n })
  upstream = await startUpstream()
  fleet = await startFleet({
    store: redis.url('shared'),
    rpc: net.url,
    chainId: CHAIN_ID,
    token,
    upstream: upstream.url,
    settlerKey: net.accounts[1]!.privateKey,
  })
}, 120_000)
afterAll(async () => {
  await fleet?.close()
  await upstream?.close()
  await net?.stop()
  await redis?.stop()
})

const payer = () => privateKeyToAccount(net.accounts[5]!.privateKey)

const scrape = async (instance: number): Promise<Sample[]> => {
  const url = fleet.instances[instance]?.process && `${fleet.instances[instance]?.url}/metrics`
  return url ? samplesOf(await (await fetch(url)).text()) : []
}
const all = () => Promise.all(fleet.instances.map((_, i) => scrape(i)))
const leaders = async () =>
  (await all()).flatMap((samples, i) => (sumOf(samples, 'farebox_lease_held') === 1 ? [i] : []))
const settled = async () =>
  (await all()).reduce(
    (sum, samples) => sum + (sumOf(samples, 'farebox_settlements_total', { chain }) ?? 0),
    0,
  )

const until = async (holds: () => Promise<boolean>, ms = 20_000): Promise<void> => {
  const end = Date.now() + ms
  while (!(await holds().catch(() => false))) {
    if (Date.now() > end) throw new Error('waited in vain')
    await sleep(100)
  }
}

test('whichever instance is asked and whichever is paid, each call is served once and settled by the one that leads', async () => {
  await until(async () => (await leaders()).length === 1)
  const bought = await Promise.all([0, 1, 2, 3, 4, 5].map(() => buy(fleet.chat, payer(), hello())))
  expect(bought.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200])
  expect(upstream.seen.length).toBe(6)
  await until(async () => (await settled()) === 6)
  const told = await all()
  const calls = told.map((samples) => sumOf(samples, 'farebox_calls_total', { outcome: 'served' }) ?? 0)
  expect(calls.reduce((sum, one) => sum + one, 0)).toBe(6)
  expect(calls.filter((one) => one > 0).length).toBeGreaterThan(1)
  const [leader] = await leaders()
  expect(sumOf(told[leader!]!, 'farebox_settlements_total', { chain, outcome: 'settled' })).toBe(6)
})

test('when the leader is killed, calls go on, another leads, and what is owed is settled', async () => {
  const [leader] = await leaders()
  await fleet.kill(leader!)
  const bought = await Promise.all([0, 1, 2].map(() => buy(fleet.chat, payer(), hello())))
  expect(bought.map(({ status }) => status)).toEqual([200, 200, 200])
  await until(async () => (await leaders()).length === 1 && (await leaders())[0] !== leader)
  const [next] = await leaders()
  await until(async () => {
    const samples = await scrape(next!)
    return (sumOf(samples, 'farebox_settlements_total', { chain, outcome: 'settled' }) ?? 0) >= 3
  })
  await fleet.restart(leader!)
  expect(fleet.balancer.inRotation()).toEqual([0, 1, 2])
  expect(sumOf(await scrape(leader!), 'farebox_lease_held')).toBe(0)
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deployUsdc, type Localnet, startAnvil } from '../../src/cli/demo/localnet.ts'
import { type Fleet, startFleet } from '../support/fleet.ts'
import { offersOf } from '../support/pay.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { CHAIN_ID, hello } from '../support/world.ts'

let net: Localnet
let upstream: Upstream
let fleet: Fleet
const dir = mkdtempSync(join(tmpdir(), 'farebox-fleet-db-'))

beforeAll(async () => {
  net = await startAnvil({ chainId: CHAIN_ID })
  const token = (await deployUsdc({ url: net.url, deployerKey: net.accounts[0]!.privateKey })).address
  upstream = await startUpstream()
  fleet = await startFleet({
    instances: 2,
    store: (i) => `sqlite:${join(dir, `ledger-${i}.db`)}`,
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
  rmSync(dir, { recursive: true, force: true })
})

const ask = (url: string) =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(hello()),
  })

test('every instance gives the same offer and the same address, whichever answers', async () => {
  const answers = await Promise.all([0, 1, 2, 3].map(() => ask(fleet.chat)))
  const offers = answers.map((answer) => offersOf(answer)[0]!)
  expect(new Set(offers.map(({ amount, payTo }) => `${amount} ${payTo}`)).size).toBe(1)
  for (const { url } of fleet.instances) {
    const about = await (await fetch(`${url}/openapi.json`)).text()
    expect(about).toContain(fleet.url)
  }
})

test('customers notice nothing when an instance is killed, and it gets requests again when it is back', async () => {
  expect(await fleet.kill(1)).toBe('SIGKILL')
  const answers = await Promise.all([0, 1, 2, 3].map(() => ask(fleet.chat)))
  expect(answers.map(({ status }) => status)).toEqual([402, 402, 402, 402])
  await fleet.balancer.settled([0])
  await fleet.restart(1)
  expect(fleet.balancer.inRotation()).toEqual([0, 1])
  expect((await ask(`${fleet.instances[1]!.url}/v1/chat/completions`)).status).toBe(402)
})

test('an instance that hangs leaves the rotation and returns when it wakes', async () => {
  await fleet.kill(0, 'SIGSTOP')
  await fleet.balancer.settled([1])
  expect((await ask(fleet.chat)).status).toBe(402)
  await fleet.kill(0, 'SIGCONT')
  await fleet.balancer.settled([0, 1])
})

test('an instance that is told to end does so in order', async () => {
  expect(await fleet.kill(0, 'SIGTERM')).toBe('0')
  await fleet.restart(0)
})

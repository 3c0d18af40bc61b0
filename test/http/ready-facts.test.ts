import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { createReadiness, type ReadinessDesk, type ReadinessFacts } from '../../src/http/ready-facts.ts'

const WELL: Record<string, unknown> = {
  eth_chainId: '0x2105',
  eth_maxPriorityFeePerGas: '0x1',
  eth_getBalance: '0xde0b6b3a7640000',
}

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** A node that answers as told, or not at all. */
const startNode = async (more: Record<string, unknown> = {}, hangs = false) => {
  const state = { asked: 0, hangs }
  const server: Server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    state.asked++
    if (state.hangs) return
    const timestamp = `0x${Math.floor(Date.now() / 1000).toString(16)}`
    const block = { number: '0x10', hash: '0xaa', timestamp, baseFeePerGas: '0x1' }
    const answers: Record<string, unknown> = { ...WELL, eth_getBlockByNumber: block, ...more }
    const calls = JSON.parse(Buffer.concat(parts).toString('utf8')) as { id: number; method: string }[]
    response.end(
      JSON.stringify(calls.map(({ id, method }) => ({ jsonrpc: '2.0', id, result: answers[method] }))),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(async () => {
    server.closeAllConnections()
    server.close()
  })
  return { state, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const desk = (rpc: readonly string[], more: Partial<ReadinessFacts> = {}): ReadinessDesk => {
  const made = createReadiness({
    ledger: { lastNonce: async () => -1 },
    chains: [{ id: 'eip155:8453', rpc, maxFee: 10n ** 12n, maxAgeSeconds: undefined, relayed: false }],
    settler: '0x01',
    clock: systemClock,
    leaving: () => false,
    ...more,
  })
  closing.push(made.close)
  return made
}

test('a hundred balancers that ask at once cost one look at each node', async () => {
  const node = await startNode()
  const ready = desk([node.url])
  const told = await Promise.all(Array.from({ length: 100 }, () => ready.ask()))
  expect(told.every((one) => one.ready)).toBe(true)
  await ready.ask()
  expect(node.state.asked).toBe(1)
})

test('whatever hangs, the answer comes within two seconds and says what hangs', async () => {
  const [well, hung] = [await startNode(), await startNode({}, true)]
  const never = () => new Promise<never>(() => {})
  const ready = desk([well.url, hung.url], { ledger: { lastNonce: never } })
  const before = performance.now()
  expect(await ready.ask()).toMatchObject({
    ready: false,
    problems: ['the ledger does not answer'],
    warnings: ['eip155:8453: rpc.1 does not answer'],
  })
  expect(performance.now() - before).toBeLessThan(2_000)
})

test('a node that was switched to another chain is named', async () => {
  const node = await startNode({ eth_chainId: '0x1' })
  expect(await desk([node.url]).ask()).toMatchObject({
    ready: false,
    problems: ['eip155:8453: rpc.0 serves eip155:1'],
  })
})

test('the clock of a store that has one is compared with ours', async () => {
  const node = await startNode()
  const ready = desk([node.url], { storeNow: async () => Date.now() + 5_000 })
  const { ready: is, warnings, checks } = await ready.ask()
  expect(is).toBe(true)
  expect(warnings[0]).toMatch(/^our clock and that of the store are (49|50)\d\d ms apart$/)
  expect(checks.store?.clockMs).toBeGreaterThan(4_900)
})

test('an instance that was told to end is not ready at once, whatever it saw before', async () => {
  const node = await startNode()
  let leaving = false
  const ready = desk([node.url], { leaving: () => leaving })
  expect((await ready.ask()).ready).toBe(true)
  leaving = true
  expect(await ready.ask()).toEqual({
    ready: false,
    problems: ['this instance is shutting down'],
    warnings: [],
    checks: {},
  })
})

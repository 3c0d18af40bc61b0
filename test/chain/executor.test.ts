import fc from 'fast-check'
import type { Address, Hex, TransactionReceipt } from 'viem'
import {
  concat,
  encodeFunctionData,
  hashMessage,
  parseEventLogs,
  parseSignature,
  serializeSignature,
  size,
  toHex,
  zeroAddress,
} from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { batchExecutor } from '../../src/chain/batch-executor.generated.ts'
import type { DevKey, Localnet } from '../../src/cli/demo/localnet.ts'
import { deployUsdc, localClient, mint, startAnvil } from '../../src/cli/demo/localnet.ts'
import { testUsdc } from '../../src/cli/demo/test-usdc.generated.ts'
import { testProbe } from '../support/test-contracts.generated.ts'
import { delegate, deployExecutor, deployProbe } from '../support/x402-contracts.ts'

type Item = { target: Address; data: Hex; gas: bigint }
type Kind = keyof typeof makers
type Client = Awaited<ReturnType<typeof localClient>>

const held = 1_000n
const gas = 12_000_000n
const curveOrder = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const { abi } = batchExecutor

let net: Localnet
let settler: Client
let stranger: Client
let executor: Address
let probe: Address
let usdc: Address
let nextId = 1n

beforeAll(async () => {
  net = await startAnvil()
  const [deployer, settlerKey, strangerKey] = net.accounts as [DevKey, DevKey, DevKey]
  const sender = { url: net.url, deployerKey: deployer.privateKey }
  executor = await deployExecutor(sender)
  probe = (await deployProbe(sender)).address
  usdc = (await deployUsdc(sender)).address
  settler = await localClient(net.url, settlerKey.privateKey)
  stranger = await localClient(net.url, strangerKey.privateKey)
  await delegate({ url: net.url, privateKey: settlerKey.privateKey, to: executor })
  await mint({ ...sender, token: usdc, to: settlerKey.address, amount: held })
})

afterAll(() => net?.stop())

test('whatever the items do, the good ones happen, each failed one is logged, and no token moves', async () => {
  const cap = fc.constantFrom(0n, 80_000n, 80_000n, 80_000n)
  const kind = fc.constantFrom(...(Object.keys(makers) as Kind[]))
  const odd = fc.constantFrom(1n, 15_000_000n, 2n ** 24n - 1n)
  const entry = fc.record({
    kind,
    cap: fc.oneof({ weight: 6, arbitrary: cap }, { weight: 1, arbitrary: odd }),
  })
  const caller = fc.constantFrom('settler', 'settler', 'settler', 'stranger', 'implementation')
  const runs = fc.asyncProperty(fc.array(entry, { maxLength: 9 }), caller, async (entries, who) => {
    const ids = entries.map(() => nextId++)
    const items = entries.map(({ kind, cap }, index) => makers[kind](ids[index]!, cap))
    const receipt = await execute(items, who === 'settler' ? settler : stranger, who === 'implementation')
    expect(receipt.status).toBe(who === 'settler' ? 'success' : 'reverted')
    const failed = entries.flatMap(({ kind, cap }, index) => (fails(kind, cap) ? [BigInt(index)] : []))
    expect(failuresIn(receipt)).toEqual(who === 'settler' ? failed : [])
    const hits = await Promise.all(ids.map(hitsOf))
    const expected = entries.map(({ kind, cap }) => who === 'settler' && kind === 'good' && !fails(kind, cap))
    expect(hits).toEqual(expected.map((happened) => (happened ? 1n : 0n)))
    expect(await Promise.all([balanceOf(settler.account.address), balanceOf(executor)])).toEqual([held, 0n])
  })
  await fc.assert(runs, { numRuns: 100 })
  expect(await settler.readContract({ address: probe, abi: testProbe.abi, functionName: 'reentered' })).toBe(
    0n,
  )
}, 120_000)

test('too little gas for all caps fails the last items, never a half-done batch', async () => {
  const ids = [nextId++, nextId++, nextId++]
  const items = [makers.burn(0n, 150_000n), ...ids.map((id) => makers.good(id, 150_000n))]
  const receipt = await execute(items, settler, false, 380_000n)
  expect(receipt.status).toBe('success')
  const failed = failuresIn(receipt)
  expect(failed[0]).toBe(0n)
  expect(failed.length).toBeGreaterThan(1)
  const hits = await Promise.all(ids.map(hitsOf))
  expect(hits.map((count) => count === 0n)).toEqual(ids.map((_, index) => failed.includes(BigInt(index + 1))))
})

test('every amount of gas either does nothing at all or accounts for every item', async () => {
  for (let given = 70_000n; given < 400_000n; given += 7_001n) {
    const ids = [nextId++, nextId++] as const
    const items = [
      makers.burn(0n, 60_000n),
      good(ids[0], 60_000n),
      makers.spin(0n, 50_000n),
      good(ids[1], 60_000n),
    ]
    const receipt = await execute(items, settler, false, given)
    const hits = await Promise.all(ids.map(hitsOf))
    const done = [1n, 3n].filter((index) => !failuresIn(receipt).includes(index)).length
    if (receipt.status === 'success') expect(Number(hits[0]! + hits[1]!)).toBe(done)
    // It stopped by itself before the first item: running out of gas would have cost all of it.
    else expect([hits, receipt.gasUsed < given]).toEqual([[0n, 0n], true])
  }
})

test('an item gets all the gas that its cap promises or is not tried', async () => {
  const cap = 1_000_000n
  for (let given = 1_000_000n; given < 1_080_000n; given += 1_999n) {
    const id = nextId++
    const data = encodeFunctionData({ abi: testProbe.abi, functionName: 'weigh', args: [id] })
    const receipt = await execute([{ target: probe, data, gas: cap }], settler, false, given)
    const seen = { address: probe, abi: testProbe.abi, functionName: 'gasSeen', args: [id] } as const
    const tried = failuresIn(receipt).length === 0
    // What the probe spends before it looks is below 500.
    expect((await settler.readContract(seen)) > cap - 500n).toBe(tried)
  }
})

test('bytes that are cut short, or go on after the last item, do nothing at all', async () => {
  const id = nextId++
  const whole = [toHex(80_000n, { size: 3 }), probe, toHex(36, { size: 2 }), good(id, 0n).data] as const
  for (const odd of [concat(whole).slice(0, -2) as Hex, concat([...whole, '0x00'])]) {
    const data = encodeFunctionData({ abi, functionName: 'execute', args: [odd] })
    const receipt = await mined(await settler.sendTransaction({ to: settler.account.address, data, gas }))
    expect([receipt.status, await hitsOf(id)]).toEqual(['reverted', 0n])
  }
})

test('a delegated settler still takes ETH and any call, and signs for itself', async () => {
  const to = settler.account.address
  const before = await stranger.getBalance({ address: to })
  for (const data of ['0x', '0x12345678'] as const) {
    const receipt = await mined(await stranger.sendTransaction({ to, data, value: 5n }))
    expect(receipt.status).toBe('success')
  }
  expect((await stranger.getBalance({ address: to })) - before).toBe(10n)

  const ask = (signature: Hex) => {
    const args = [hashMessage('pay'), signature] as const
    return stranger.readContract({ address: to, abi, functionName: 'isValidSignature', args })
  }
  const signature = await settler.account.signMessage({ message: 'pay' })
  expect(await ask(signature)).toBe('0x1626ba7e')
  expect(await ask(await stranger.account.signMessage({ message: 'pay' }))).toBe('0xffffffff')
  const { r, s, yParity } = parseSignature(signature)
  const mirrored = { r, s: toHex(curveOrder - BigInt(s), { size: 32 }), yParity: 1 - yParity }
  expect(await ask(serializeSignature(mirrored))).toBe('0xffffffff')
  expect(await ask('0x')).toBe('0xffffffff')
})

const probing = (functionName: 'fail' | 'burn' | 'spin') => (_: bigint, gas: bigint) => ({
  target: probe,
  data: encodeFunctionData({ abi: testProbe.abi, functionName }),
  gas,
})

const good = (id: bigint, gas: bigint): Item => ({
  target: probe,
  data: encodeFunctionData({ abi: testProbe.abi, functionName: 'hit', args: [id] }),
  gas,
})

const makers = {
  good,
  fail: probing('fail'),
  burn: probing('burn'),
  spin: probing('spin'),
  bomb: (_: bigint, gas: bigint) => ({
    target: probe,
    data: encodeFunctionData({ abi: testProbe.abi, functionName: 'bomb', args: [true] }),
    gas,
  }),
  theft: (_: bigint, gas: bigint) => {
    const inner = encoded([{ target: usdc, data: transfer(held), gas: 80_000n }])
    return {
      target: probe,
      data: encodeFunctionData({ abi: testProbe.abi, functionName: 'reenter', args: [inner] }),
      gas,
    }
  },
  itself: (id: bigint, gas: bigint) => ({
    target: settler.account.address,
    data: encoded([good(id, 80_000n)]),
    gas,
  }),
  nothing: (_: bigint, gas: bigint) => ({ target: zeroAddress, data: '0x' as Hex, gas }),
  overdraft: (_: bigint, gas: bigint) => ({ target: usdc, data: transfer(held + 1n), gas }),
} satisfies Record<string, (id: bigint, gas: bigint) => Item>

const fails = (kind: Kind, cap: bigint) => (kind !== 'good' && kind !== 'theft') || cap < 2n || cap > gas

const transfer = (amount: bigint) =>
  encodeFunctionData({
    abi: testUsdc.abi,
    functionName: 'transfer',
    args: [stranger.account.address, amount],
  })

const encoded = (items: Item[]) => {
  const parts = items.map(({ gas: cap, target, data }) => [
    toHex(cap, { size: 3 }),
    target,
    toHex(size(data), { size: 2 }),
    data,
  ])
  return encodeFunctionData({ abi, functionName: 'execute', args: [concat(['0x', ...parts.flat()])] })
}

async function execute(items: Item[], from: Client, atImplementation: boolean, limit = gas) {
  const data = encoded(items)
  const to = atImplementation ? executor : settler.account.address
  return mined(await from.sendTransaction({ to, data, gas: limit }))
}

const mined = (hash: Hex) => settler.waitForTransactionReceipt({ hash })

const failuresIn = (receipt: TransactionReceipt) =>
  parseEventLogs({ abi, eventName: 'Failed', logs: receipt.logs })
    .filter((log) => log.address === settler.account.address.toLowerCase())
    .map((log) => log.args.index)

const hitsOf = (id: bigint) =>
  settler.readContract({ address: probe, abi: testProbe.abi, functionName: 'hits', args: [id] })

const balanceOf = (account: Address) =>
  settler.readContract({ address: usdc, abi: testUsdc.abi, functionName: 'balanceOf', args: [account] })

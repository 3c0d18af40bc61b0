import { encodeFunctionData, type Hex, type LocalAccount } from 'viem'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { Log } from '../../src/log.ts'
import { header, offerOf, offersOf, post, signPermit2 } from '../support/pay.ts'
import { told } from '../support/refused.ts'
import { testUsdt } from '../support/test-contracts.generated.ts'
import { hello, startWorld, type World } from '../support/world.ts'

let world: World
let logged: { event: string; fields: Record<string, unknown> }[]
beforeEach(async () => {
  logged = []
  const note = (event: string, fields: Record<string, unknown> = {}) => void logged.push({ event, fields })
  const log: Log = { info: note, warn: note, error: note }
  world = await startWorld({ x402: true, usdt: true, options: { log } })
})
afterEach(async () => {
  expect(await checkInvariants(world.farebox.deps.ledger, { now: Date.now() })).toEqual([])
  await world.close()
})

type Way = 'upto' | 'exact'
const rich = async () => {
  const account = await world.usdtPayer()
  await world.approve(account, world.usdt)
  return account
}
const offers = async () => offersOf(await post(world.chat, hello()))
const pay = async (account: LocalAccount, way: Way) => {
  const offer = offerOf(await offers(), way, { asset: world.usdt })
  return post(world.chat, hello(), { 'payment-signature': header(await signPermit2(account, offer)) })
}
const callOf = async (response: Response) =>
  (await world.farebox.deps.ledger.call(response.headers.get('x-farebox-call')!))!
/** What Tether itself does, in the next block and before anybody else. */
const tether = async (
  functionName: 'setParams' | 'addBlackList' | 'pause' | 'unpause',
  args: unknown[] = [],
) => {
  const data = encodeFunctionData({ abi: testUsdt.abi as never, functionName, args } as never)
  const fees = { maxFeePerGas: '0x174876e800', maxPriorityFeePerGas: '0x174876e800' }
  const from = world.net.accounts[0]!.address
  await world.rpc('eth_sendTransaction', [{ from, to: world.usdt, data, gas: '0x30d40', ...fees }])
}
const transactions = async (): Promise<number> =>
  Number(await world.rpc<Hex>('eth_getTransactionCount', [world.farebox.deps.account.address, 'pending']))
/** Serves a call whose payment waits for a block, does something in that block before it, and looks at what came of it. */
const meanwhile = async (account: LocalAccount, way: Way, act: () => Promise<void>) => {
  await world.rpc('evm_setAutomine', [false])
  const response = await pay(account, way)
  expect(response.status).toBe(200)
  await expect.poll(transactions).toBeGreaterThan(0)
  await act()
  await world.rpc('evm_setAutomine', [true])
  await world.rpc('evm_mine')
  await world.settle()
  return callOf(response)
}
const symbols = async () => [
  ...new Set((await offers()).map(({ asset }) => (asset === world.usdt.toLowerCase() ? 'USDT' : 'USDC'))),
]
const disabled = () => logged.filter(({ event }) => event === 'asset_disabled').map(({ fields }) => fields)
const booked = async (account: string) =>
  world.farebox.deps.ledger.balance(`eip155:${world.net.chainId}/${world.usdt.toLowerCase()}`, account)

test.each<Way>(['upto', 'exact'])(
  'a token that answers nothing to a transfer is paid with by %s',
  async (way) => {
    const account = await rich()
    const call = await callOf(await pay(account, way))
    await world.settle()
    const settled = (await world.farebox.deps.ledger.call(call.id))!
    expect(settled.settlement.at).toBe('settled')
    expect(await booked('chain:payTo')).toBe(
      -(10_000_000n - (await world.balance(account.address, world.usdt))),
    )
  },
)

describe.each<Way>(['upto', 'exact'])('a payment by %s that its token did not make whole', (way) => {
  test('because of a fee counts as lost, and the token is offered no more until a restart finds it good', async () => {
    const account = await rich()
    expect(await symbols()).toEqual(['USDC', 'USDT'])
    // A fee is rounded down: of so small a sum it must be large to take a unit.
    await world.rpc('anvil_setStorageAt', [world.usdt, await slotOf('basisPointsRate'), word(0n)])
    const call = await meanwhile(account, way, async () => {
      await world.rpc('anvil_setStorageAt', [world.usdt, await slotOf('basisPointsRate'), word(5_000n)])
      await world.rpc('anvil_setStorageAt', [world.usdt, await slotOf('maximumFee'), word(49_000_000n)])
    })
    expect(call.settlement).toEqual({
      at: 'lost',
      why: 'the token reported success and moved something else',
    })
    expect(await booked('chain:payTo')).toBe(0n)
    expect(disabled()).toEqual([
      expect.objectContaining({
        symbol: 'USDT',
        why: expect.stringMatching(/fee on transfer: 5000 basis points/),
      }),
    ])
    expect(await symbols()).toEqual(['USDC'])
    const late = await signPermit2(await rich(), {
      ...offerOf(await offers(), 'exact', { asset: world.token, method: 'permit2' }),
      asset: world.usdt,
    })
    const refused = await post(world.chat, hello(), { 'payment-signature': header(late) })
    expect((await told(refused)).says).toMatch(/402 payment_asset_mismatch/)
    await world.rpc('anvil_setStorageAt', [world.usdt, await slotOf('basisPointsRate'), word(0n)])
    expect(await symbols()).toEqual(['USDC'])
    await world.restart()
    expect(await symbols()).toEqual(['USDC', 'USDT'])
  })

  test('because of a fee that is gone again when it is looked for stops the token all the same', async () => {
    const [rate, most] = [await slotOf('basisPointsRate'), await slotOf('maximumFee')]
    const account = await rich()
    await world.rpc('evm_setAutomine', [false])
    const response = await pay(account, way)
    await expect.poll(transactions).toBeGreaterThan(0)
    await world.rpc('anvil_setStorageAt', [world.usdt, rate, word(5_000n)])
    await world.rpc('anvil_setStorageAt', [world.usdt, most, word(49_000_000n)])
    await world.rpc('evm_mine')
    await world.rpc('anvil_setStorageAt', [world.usdt, rate, word(0n)])
    await world.rpc('evm_setAutomine', [true])
    await world.settle()
    expect((await callOf(response)).settlement.at).toBe('lost')
    expect(disabled()).toEqual([expect.objectContaining({ symbol: 'USDT', why: expect.any(String) })])
    expect(await symbols()).toEqual(['USDC'])
  })

  test('because it was paused is lost at once, tried no second time, and nobody else is served for it', async () => {
    const call = await meanwhile(await rich(), way, () => tether('pause'))
    expect(call.settlement).toMatchObject({ at: 'lost', why: expect.stringMatching(/revert/) })
    expect(disabled()).toEqual([
      expect.objectContaining({ symbol: 'USDT', why: expect.stringMatching(/paused/) }),
    ])
    expect(await symbols()).toEqual(['USDC'])
    const sent = await transactions()
    for (let i = 0; i < 3; i++) await world.farebox.deps.settler(call.chain).tick()
    expect(await transactions()).toBe(sent)
  })

  test('because its payer is on Tether’s list is lost at once; the token stays, its payer must pay first from now on', async () => {
    const account = await rich()
    const call = await meanwhile(account, way, () => tether('addBlackList', [account.address]))
    expect(call.settlement).toMatchObject({ at: 'lost' })
    expect(disabled()).toEqual([])
    expect(await symbols()).toEqual(['USDC', 'USDT'])
    const sent = await transactions()
    const { code } = await told(await pay(account, way))
    expect(code).toBe(way === 'upto' ? 'exposure_reached' : 'settlement_failed')
    expect(await transactions()).toBe(sent)
  })
})

const word = (value: bigint): Hex => `0x${value.toString(16).padStart(64, '0')}`
/** Where the contract keeps a figure: found by what its getter answers. */
const slotOf = async (name: 'basisPointsRate' | 'maximumFee'): Promise<Hex> => {
  const read = async () =>
    BigInt(
      await world.rpc<Hex>('eth_call', [
        {
          to: world.usdt,
          data: encodeFunctionData({ abi: testUsdt.abi as never, functionName: name } as never),
        },
        'latest',
      ]),
    )
  for (let slot = 0n; slot < 12n; slot++) {
    const at = word(slot)
    const before = await world.rpc<Hex>('eth_getStorageAt', [world.usdt, at, 'latest'])
    await world.rpc('anvil_setStorageAt', [world.usdt, at, word(4_242n)])
    const found = (await read()) === 4_242n
    await world.rpc('anvil_setStorageAt', [world.usdt, at, before])
    if (found) return at
  }
  throw new Error(`no slot of ${name}`)
}

import type { Hex, LocalAccount } from 'viem'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { type Hostile, type Stage, startStage } from '../support/hostile.ts'
import { offersOf, post } from '../support/pay.ts'
import { hello } from '../support/world.ts'

let stage: Stage
let router: Hostile
/** Units that one small call is quoted at. */
let price: bigint

beforeAll(async () => {
  stage = await startStage()
})
afterAll(() => stage?.close())
beforeEach(async () => {
  await stage.reset()
  router = await stage.open()
  price = BigInt(offersOf(await post(`${router.farebox.url}/v1/chat/completions`, hello()))[0]!.amount)
})
afterEach(async () => {
  expect(await checkInvariants(router.ledger, { now: Date.now() })).toEqual([])
  await router.close()
})

const asked = () => stage.world.upstream.seen.length
const reads = () => router.node.seen.filter((call) => call.method === 'eth_call').length
const errorOf = async (response: Response) => ((await response.json()) as { error: object }).error

/** Pays and is refused: with which error, and nothing was asked of a provider. */
const refused = async (payer: LocalAccount, change?: { nonce: Hex }) => {
  const before = asked()
  const { response } = await router.pay(payer, change)
  expect(response.status).toBe(402)
  expect(asked()).toBe(before)
  return errorOf(response)
}

describe('a payer is refused before anything is spent on it', () => {
  test('when it holds less than it signed for', async () => {
    expect(await refused(await stage.payer(price - 1n))).toMatchObject({
      code: 'insufficient_funds',
      message: expect.stringContaining(`holds ${price - 1n} units, ${price} are needed`),
    })
    expect(await refused(await stage.payer(0n))).toMatchObject({ code: 'insufficient_funds' })
  })

  test('when its open calls together need more than it holds', async () => {
    await stage.hold()
    const payer = await stage.payer(price * 2n - 1n)
    expect((await router.pay(payer)).response.status).toBe(200)
    expect(await refused(payer)).toMatchObject({
      code: 'insufficient_funds',
      message: expect.stringContaining(`${price * 2n} are needed`),
    })
  })

  test('when ten calls come at once and its money is enough for three: three are served', async () => {
    await stage.hold()
    const payer = await stage.payer(price * 3n)
    const paid = await Promise.all(Array.from({ length: 10 }, () => router.pay(payer)))
    expect(paid.filter((one) => one.response.status === 200)).toHaveLength(3)
    expect(paid.filter((one) => one.response.status === 402)).toHaveLength(7)
    await stage.rpc('evm_setAutomine', [true])
    await stage.mine()
    await router.settle()
    expect(await stage.received(payer.address)).toHaveLength(3)
  })

  test('when the token says that the authorization was used or cancelled', async () => {
    const payer = await stage.payer()
    const nonce: Hex = `0x${'ab'.repeat(32)}`
    const signature = await payer.signTypedData({
      domain: {
        name: 'USD Coin',
        version: '2',
        chainId: stage.world.net.chainId,
        verifyingContract: stage.world.token,
      },
      types: {
        CancelAuthorization: [
          { name: 'authorizer', type: 'address' },
          { name: 'nonce', type: 'bytes32' },
        ],
      },
      primaryType: 'CancelAuthorization',
      message: { authorizer: payer.address, nonce },
    })
    await stage.rush(payer.address, stage.token('cancelAuthorization', [payer.address, nonce, signature]))
    expect(await refused(payer, { nonce })).toMatchObject({ code: 'authorization_used' })
  })

  test.each([
    ['a contract', '0x60006000fd'],
    ['an account that a contract may act for (EIP-7702)', `0xef0100${'22'.repeat(20)}`],
  ])('when it is %s', async (_, code) => {
    const payer = await stage.payer()
    await stage.rpc('anvil_setCode', [payer.address, code])
    expect(await refused(payer)).toMatchObject({ code: 'payer_is_contract' })
  })
})

describe('a payer whose calls have settled', () => {
  test('needs no cover for them any more, even when the router has not looked at the chain since', async () => {
    const payer = await stage.payer(price * 2n)
    expect((await router.pay(payer)).response.status).toBe(200)
    await expect.poll(() => stage.received(payer.address)).toHaveLength(1)
    expect(await stage.balance(payer.address)).toBe(price)
    expect((await router.pay(payer)).response.status).toBe(200)
    await router.settle()
    expect(await stage.balance(payer.address)).toBe(0n)
  })

  test('is trusted for what its balance had to spare and no further, however often it has paid', async () => {
    const payer = await stage.payer(price * 3n)
    for (let i = 0; i < 3; i++) {
      expect((await router.pay(payer)).response.status).toBe(200)
      await router.settle()
    }
    expect(await stage.balance(payer.address)).toBe(0n)
    expect(await refused(payer)).toMatchObject({ code: 'insufficient_funds' })
  })

  test('is not asked about again for fifteen seconds, as long as its known balance covers its calls', async () => {
    const payer = await stage.payer()
    await router.pay(payer)
    await router.settle()
    const before = reads()
    expect((await router.pay(payer)).response.status).toBe(200)
    expect(reads()).toBe(before)
    router.forward(15_000)
    expect((await router.pay(payer)).response.status).toBe(200)
    expect(reads()).toBeGreaterThan(before)
  })

  test('is asked about all the same when its call settles first', async () => {
    const payer = await stage.payer()
    await router.pay(payer)
    await router.settle()
    const before = reads()
    const answer = router.pay(payer, { validBefore: String(Math.floor(Date.now() / 1000) + 60) })
    await expect.poll(() => router.settler.pending()).toBe(1)
    expect(reads()).toBeGreaterThan(before)
    const [call] = await router.ledger.open()
    await router.sent(call!.id)
    await router.settler.tick()
    expect((await answer).response.status).toBe(200)
  })
})

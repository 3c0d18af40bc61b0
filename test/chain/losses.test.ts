import type { Hex, LocalAccount } from 'viem'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { bookOf, COUNTER } from '../../src/ledger/moves.ts'
import { type Hostile, type Paid, type Stage, startStage } from '../support/hostile.ts'

let stage: Stage
let router: Hostile

beforeAll(async () => {
  stage = await startStage()
})
afterAll(() => stage?.close())
beforeEach(async () => {
  await stage.reset()
  router = await stage.open()
})
// Whatever a test did to the chain, the books must hold.
afterEach(async () => {
  const facts = { now: Date.now(), exposure: router.farebox.deps.exposure }
  expect(await checkInvariants(router.ledger, facts)).toEqual([])
  await router.close()
})

const stranger = () => stage.world.net.accounts[5]!.address
const issuer = () => stage.world.net.accounts[0]!.address
const gasSpent = () => router.ledger.balance(`eip155:${stage.world.net.chainId}/native`, 'gas:settler')
const sentRaws = () =>
  router.node.seen
    .filter((call) => call.method === 'eth_sendRawTransaction')
    .map((call) => call.params[0] as Hex)

describe('a payer who takes the answer and not the bill', () => {
  /** Serves a call, then lets something happen before our transaction does. */
  const cheated = async (how: Way) => {
    await stage.hold()
    const payer = await stage.payer()
    const paid = await router.pay(payer)
    expect(paid.response.status).toBe(200)
    await router.sent(paid.id)
    await how(paid, payer)
    await stage.mine()
    await router.settle()
    await stage.rpc('evm_setAutomine', [true])
    return { payer, call: await router.call(paid.id) }
  }

  type Way = (paid: Paid, payer: LocalAccount) => Promise<unknown>
  const drain: Way = (_, payer) =>
    stage.rush(payer.address, stage.token('transfer', [stranger(), 10_000_000n]))
  const ways: Record<string, Way> = {
    'cancels the authorization': async ({ payload }, payer) => {
      const { nonce } = payload.payload.authorization
      const signature = await payer.signTypedData(cancellation(payer.address, nonce))
      return stage.rush(stranger(), stage.token('cancelAuthorization', [payer.address, nonce, signature]))
    },
    'moves the money away': drain,
    'is blacklisted by the issuer': (_, payer) =>
      stage.rush(issuer(), stage.token('blacklist', [payer.address])),
    'profits from a pause of the token': () => stage.rush(issuer(), stage.token('pause')),
  }

  test.each(Object.entries(ways))('%s: the call is lost, and the loss is in the books', async (_, how) => {
    const { call } = await cheated(how)
    expect(call.settlement.at).toBe('lost')
    expect(await stage.received(call.payer)).toEqual([])
    expect((await router.ledger.counters())[COUNTER.unpaid(call.payer)]).toBe(14n)
    expect(await router.ledger.balance(bookOf(call), 'loss:unpaid')).toBe(-14n)
    expect(await gasSpent()).toBeGreaterThan(0n)
    expect(router.settler.pending()).toBe(0)
  })

  test('pays first from then on', async () => {
    const { payer } = await cheated(drain)
    await stage.rush(issuer(), stage.token('mint', [payer.address, 1_000_000n]))
    const served = stage.world.upstream.seen.length
    await stage.hold()
    const pending = router.pay(payer)
    await expect.poll(() => router.settler.pending()).toBe(1)
    const [waiting] = await router.ledger.open()
    await router.sent(waiting!.id)
    expect(stage.world.upstream.seen).toHaveLength(served)
    await stage.mine()
    await router.settler.tick()
    const { response, id } = await pending
    expect(response.status).toBe(200)
    expect(await router.call(id)).toMatchObject({ settleFirst: true, settlement: { at: 'settled' } })
    expect(stage.world.upstream.seen).toHaveLength(served + 1)
  })

  test('is refused before it costs us gas when the token would refuse the transfer', async () => {
    const { payer } = await cheated(ways['is blacklisted by the issuer']!)
    const sent = sentRaws().length
    const { response } = await router.pay(payer)
    expect(response.status).toBe(402)
    expect((await response.json()) as object).toMatchObject({ error: { code: 'settlement_failed' } })
    expect(sentRaws()).toHaveLength(sent)
  })
})

const cancellation = (authorizer: Hex, nonce: Hex) => ({
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
  primaryType: 'CancelAuthorization' as const,
  message: { authorizer, nonce },
})

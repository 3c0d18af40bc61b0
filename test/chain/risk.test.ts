import type { LocalAccount } from 'viem'
import { afterEach, describe, expect, test } from 'vitest'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { COUNTER } from '../../src/ledger/moves.ts'
import { header, offerOf, offersOf, post, signOffer, signPermit2 } from '../support/pay.ts'
import { told } from '../support/refused.ts'
import { hello, startWorld, type World, type WorldOptions } from '../support/world.ts'

let world: World
const start = async (options: WorldOptions = {}) => {
  world = await startWorld({ x402: true, ...options })
}
afterEach(async () => {
  await world.settle()
  expect(await checkInvariants(world.farebox.deps.ledger, { now: Date.now() })).toEqual([])
  await world.close()
})

const rich = async () => {
  const account = await world.payer()
  await world.approve(account)
  return account
}
const asked = async (body: unknown = hello()) => {
  const response = await post(world.chat, body)
  const { quote, error } = (await response.clone().json()) as {
    quote: Record<string, unknown> & { offers: Record<string, unknown>[]; advice?: string }
    error: { message: string; hint: string }
  }
  return { offers: offersOf(response), quote, error, status: response.status }
}
const schemes = (offers: readonly { scheme: string }[]) => [...new Set(offers.map(({ scheme }) => scheme))]
const buy = async (account: LocalAccount, scheme: 'upto' | 'exact', body: unknown = hello()) => {
  const offer = offerOf((await asked(body)).offers, scheme)
  const payment =
    offer.extra.assetTransferMethod === 'permit2'
      ? await signPermit2(account, offer)
      : await signOffer(account, offer)
  return post(world.chat, body, { 'payment-signature': header(payment) })
}
const callOf = async (response: Response) =>
  (await world.farebox.deps.ledger.call(response.headers.get('x-farebox-call')!))!

describe('whom nobody knows', () => {
  const BODY = hello({ model: 'test/large', max_tokens: 40 })

  test('pays first above the limit for newcomers, and is trusted like others once it has paid', async () => {
    await start({ extra: 'exposure: { newPayer: "0.001" }' })
    const account = await rich()
    const first = await callOf(await buy(account, 'exact', BODY))
    expect(first).toMatchObject({ settleFirst: true, settlement: { at: 'settled' } })
    expect(await callOf(await buy(account, 'exact', BODY))).toMatchObject({ settleFirst: false })
    expect((await buy(account, 'upto', BODY)).status).toBe(200)
  })

  test('cannot pay by upto above that limit', async () => {
    await start({ extra: 'exposure: { newPayer: "0.001" }' })
    const { says, hint } = await told(await buy(await rich(), 'upto', BODY))
    expect(says).toMatch(/402 exposure_reached/)
    expect(hint).toBe('Pay by `exact`, which can settle first, or wait for open calls to settle.')
  })
})

test('who has left a call unpaid pays first from then on, and not by upto', async () => {
  await start()
  const account = await rich()
  await world.rpc('evm_setAutomine', [false])
  const unpaid = await buy(account, 'upto')
  expect(unpaid.status).toBe(200)
  // The payer takes its allowance back before the charge comes into a block.
  await world.rpc('anvil_impersonateAccount', [account.address])
  await world.rpc('anvil_setBalance', [account.address, '0xde0b6b3a7640000'])
  const fees = { maxFeePerGas: '0x174876e800', maxPriorityFeePerGas: '0x174876e800' }
  const data = `0x095ea7b3${'000000000022d473030f116ddee9f6b43ac78ba3'.padStart(64, '0')}${'0'.repeat(64)}`
  await world.rpc('eth_sendTransaction', [
    { from: account.address, to: world.token, data, gas: '0x30d40', ...fees },
  ])
  await world.rpc('evm_mine')
  await world.rpc('evm_setAutomine', [true])
  await world.settle()
  const lost = await callOf(unpaid)
  expect(lost.settlement.at).toBe('lost')
  expect(await world.farebox.deps.ledger.counter(COUNTER.unpaid(lost.payer))).toBe(14n)
  await world.approve(account)
  expect((await told(await buy(account, 'upto'))).code).toBe('exposure_reached')
  const next = await buy(account, 'exact')
  expect(next.status).toBe(200)
  expect(await callOf(next)).toMatchObject({ settleFirst: true })
})

describe('a payment that is hardly worth its gas', () => {
  const settler = (small: string, share = '10') =>
    `settler: { gasSharePercent: "${share}", smallPayments: ${small} }`

  test('is raised until it is; the 402 says so, and the rest is credit', async () => {
    await start({ nativeUsd: '300', extra: settler('fold') })
    const { offers, quote, error } = await asked()
    const ceiling = Number(quote['ceiling_usd']) * 1e6
    const exact = offerOf(offers, 'exact')
    expect(Number(exact.amount)).toBeGreaterThan(ceiling)
    expect(schemes(offers)).not.toContain('upto')
    expect(schemes(offers)).toContain('batch-settlement')
    expect(quote.offers.find((one) => one['scheme'] === 'exact')).toMatchObject({
      amount: exact.amount,
      least: expect.stringMatching(/^[1-9]\d+$/),
    })
    expect(quote.advice).toMatch(/raised to \$[\d.]+ .* rest is credit/)
    expect(error.message).toBeTypeOf('string')
    const account = await world.payer()
    const limit = world.config.exposure.perCall
    const call = await callOf(await buy(account, 'exact'))
    // The fee of blocks falls meanwhile, and with it what is worth its gas.
    expect(call.signed).toBeGreaterThan(call.ceiling)
    expect(call.settleFirst).toBe(call.signed > limit)
    await world.settle()
    expect(
      await world.farebox.deps.ledger.balance(`${call.chain}/${call.token}`, `credit:${call.payer}`),
    ).toBe(call.signed - 14n)
  })

  test('is raised for v1 clients as well, and a v1 payment below it is refused', async () => {
    await start({ nativeUsd: '300', extra: settler('fold') })
    // Before the price: its block makes gas cheaper, and what is worth it less.
    const account = await world.payer()
    await world.farebox.deps.settler('eip155:84532').tick()
    const body = (await (await post(world.chat, hello())).json()) as {
      accepts: { maxAmountRequired: string }[]
    }
    const least = body.accepts[0]!.maxAmountRequired
    const offer = offerOf((await asked()).offers, 'exact')
    expect(least).toBe(offer.amount)
    const payV1 = async (value: bigint) => {
      const { payload } = await signOffer(account, offer, { value: String(value) })
      const payment = { x402Version: 1, scheme: 'exact', network: 'base-sepolia', payload }
      return post(world.chat, hello(), { 'x-payment': header(payment) })
    }
    expect((await told(await payV1(BigInt(least) - 1n))).code).toBe('payment_amount_mismatch')
    expect((await payV1(BigInt(least))).status).toBe(200)
  })

  test('is not offered at all where the operator wants it so', async () => {
    await start({ nativeUsd: '300', extra: settler('refuse') })
    expect(schemes((await asked()).offers)).toEqual(['batch-settlement'])
    const dear = await asked(hello({ model: 'test/large', max_tokens: 16_000 }))
    expect(schemes(dear.offers)).toEqual(['batch-settlement', 'exact'])
  })

  test('is offered as it is where gas is cheap, or nobody said what it costs', async () => {
    await start({ nativeUsd: '0.000001', extra: settler('refuse', '100') })
    expect(schemes((await asked()).offers)).toEqual(['batch-settlement', 'upto', 'exact'])
  })
})

describe('the dollar that official clients stop at', () => {
  test('is kept by a request that names no max_tokens', async () => {
    await start()
    const { quote } = await asked({ model: 'test/large', messages: [{ role: 'user', content: 'Hi' }], n: 2 })
    expect(Number(quote['ceiling_usd'])).toBeLessThanOrEqual(1)
    expect(Number(quote['ceiling_usd'])).toBeGreaterThan(0.99)
    const one = await asked({ model: 'test/large', messages: [{ role: 'user', content: 'Hi' }] })
    expect(one.quote['max_output_tokens']).toBe(4096)
  })

  test('is told to a request that names more than fits it', async () => {
    await start()
    const { quote } = await asked(hello({ model: 'test/large', max_tokens: 16_000 }))
    expect(Number(quote['ceiling_usd'])).toBeGreaterThan(1)
    const fits = (quote['max_tokens_that_fit'] as Record<string, number>)['1']!
    expect(quote.advice).toMatch(new RegExp(`max_tokens of ${fits} stays within \\$1`))
    const { quote: within } = await asked(hello({ model: 'test/large', max_tokens: fits }))
    expect(Number(within['ceiling_usd'])).toBeLessThanOrEqual(1)
  })
})

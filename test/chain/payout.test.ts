import { createSIWxPayload, encodeSIWxHeader } from '@x402/extensions/sign-in-with-x'
import type { LocalAccount } from 'viem'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { assetKey, type Hex } from '../../src/assets.ts'
import { mint } from '../../src/cli/demo/localnet.ts'
import { systemClock } from '../../src/clock.ts'
import { newErrandId } from '../../src/ids.ts'
import type { Errand } from '../../src/ledger/errand.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { ACCOUNT } from '../../src/ledger/moves.ts'
import { header, offersOf, post, signOffer } from '../support/pay.ts'
import { goodAnswer } from '../support/upstream.ts'
import { CHAIN_ID, hello, startWorld, type World } from '../support/world.ts'

const NETWORK = `eip155:${CHAIN_ID}` as const
let world: World
let payer: LocalAccount
beforeAll(async () => {
  world = await startWorld({ store: 'sqlite', extra: 'payouts: { least: "0.00005" }' })
})
beforeEach(async () => {
  world.upstream.script(goodAnswer)
  payer = await world.payer()
})
afterEach(async () => {
  await world.settle()
  expect(await checkInvariants(world.farebox.deps.ledger, { now: Date.now() })).toEqual([])
})
afterAll(() => world.close())

const settler = () => world.farebox.deps.account.address
const token = () => world.token.toLowerCase() as Hex
/** Gives the settler tokens to pay out. */
const fund = (units: bigint) =>
  mint({
    url: world.net.url,
    deployerKey: world.net.accounts[0]!.privateKey,
    token: world.token,
    to: settler(),
    amount: units,
  })
const lower = (account: LocalAccount) => account.address.toLowerCase() as Hex
const free = (of = payer) =>
  world.farebox.deps.ledger.balance(assetKey({ chain: NETWORK, address: token() }), ACCOUNT.credit(lower(of)))

/** Makes a call whose payment is larger than its charge, and settles it: the rest is credit. */
const earnCredit = async (by = payer): Promise<bigint> => {
  const body = hello({ max_tokens: 200 })
  const payment = await signOffer(by, offersOf(await post(world.chat, body))[0]!)
  const answer = await post(world.chat, body, { 'payment-signature': header(payment) })
  expect(answer.status).toBe(200)
  await answer.text()
  await world.settle()
  return free(by)
}

/** A payout as a process leaves it behind that dies right after it was ordered. */
const errand = (amount: bigint): Errand => ({
  is: 'errand',
  id: newErrandId(),
  chain: NETWORK,
  token: token(),
  decimals: 6,
  payer: lower(payer),
  from: settler(),
  to: lower(payer),
  amount,
  at: Date.now(),
  validAfter: 0n,
  validBefore: 0n,
  settlement: { at: 'due' },
  task: { kind: 'payout' },
})

type Challenge = { info: Record<string, unknown>; supportedChains: { chainId: string; type: string }[] }

/** A sign-in by the official client: asks, signs, and returns the header. `change` alters the message before it is signed. */
const signIn = async (path: string, by = payer, change: object = {}): Promise<Record<string, string>> => {
  const asked = await fetch(`${world.farebox.url}${path}`, {
    method: path.endsWith('payout') ? 'POST' : 'GET',
    ...(path.endsWith('payout') && { body: wish(), headers: { 'content-type': 'application/json' } }),
  })
  expect(asked.status).toBe(401)
  const { extensions } = (await asked.json()) as { extensions: { 'sign-in-with-x': Challenge } }
  const { info, supportedChains } = extensions['sign-in-with-x']
  const message = { ...info, ...supportedChains[0]!, ...change } as never
  const made = await createSIWxPayload(message, by, (message as { uri: string }).uri)
  return { 'sign-in-with-x': encodeSIWxHeader(made) }
}
const wish = (more: object = {}) => JSON.stringify({ network: NETWORK, asset: world.token, ...more })
const ask = (headers: Record<string, string>, more: object = {}) =>
  post(`${world.farebox.url}/v1/account/payout`, wish(more), headers)
const take = async (more: object = {}, by = payer) => ask(await signIn('/v1/account/payout', by), more)

type Told = {
  id: string
  state: string
  amount: string
  to: string
  transaction: string | null
  status: string
  error: { code: string }
}
const told = async (response: Response) => [response.status, (await response.json()) as Told] as const
const refusal = async (response: Response) => {
  const [status, { error }] = await told(response)
  return [status, error?.code]
}

test('a payer keeps its credit while the settler holds too little for it and for what is on its way', async () => {
  const other = await world.payer()
  const credit = await earnCredit()
  expect(await earnCredit(other)).toBe(credit)
  expect(await refusal(await take())).toEqual([503, 'payout_unavailable'])
  await fund(credit + 10n)
  // On its way, and not sent yet.
  await world.farebox.deps.ledger.post({ type: 'order', errand: errand(credit) })
  expect(await refusal(await take({}, other))).toEqual([503, 'payout_unavailable'])
  await world.restart()
  await world.settle()
  expect([await free(), await free(other)]).toEqual([0n, credit])
  await fund(1_000_000n)
  expect((await take({}, other)).status).toBe(202)
})

describe('a payer', () => {
  test('sees its account, and nobody else does', async () => {
    const credit = await earnCredit()
    const url = `${world.farebox.url}/v1/account`
    const answer = await fetch(url, { headers: await signIn('/v1/account') })
    expect(answer.headers.get('cache-control')).toContain('no-store')
    expect(await answer.json()).toMatchObject({
      payer: lower(payer),
      assets: [
        {
          network: NETWORK,
          asset: token(),
          credit: String(credit),
          pending: '0',
          held: '0',
          paying_out: '0',
        },
      ],
      open_calls: [],
      unpaid_usd: '0',
      channels: [],
    })
    const other = await fetch(url, { headers: await signIn('/v1/account', await world.payer()) })
    expect(await other.json()).toMatchObject({ assets: [{ credit: '0' }] })
  })

  test('receives exactly its credit', async () => {
    const credit = await earnCredit()
    const before = await world.balance(payer.address)
    const [status, payout] = await told(await take())
    expect([status, payout.amount, payout.to]).toEqual([202, String(credit), lower(payer)])
    await world.settle()
    expect((await world.balance(payer.address)) - before).toBe(credit)
    expect(await free()).toBe(0n)
    const [, after] = await told(await fetch(`${world.farebox.url}${payout.status}`))
    expect([after.state, after.amount]).toEqual(['settled', String(credit)])
    expect(after.transaction).toMatch(/^0x[0-9a-f]{64}$/)
  })

  test('may take a part, no less than the least and no more than there is', async () => {
    const credit = await earnCredit()
    expect(await refusal(await take({ amount: '49' }))).toEqual([400, 'payout_too_small'])
    expect(await refusal(await take({ amount: String(credit + 1n) }))).toEqual([409, 'payout_short'])
    expect((await take({ amount: '60' })).status).toBe(202)
    await world.settle()
    expect(await free()).toBe(credit - 60n)
  })

  test('is not paid what an open call holds', async () => {
    const credit = await earnCredit()
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    world.upstream.script(async (request) => {
      await held
      await goodAnswer(request)
    })
    const seen = world.upstream.seen.length
    const offers = offersOf(await post(world.chat, hello(), { 'x-farebox-payer': payer.address }))
    const call = post(world.chat, hello(), {
      'payment-signature': header(await signOffer(payer, offers[0]!)),
    })
    while (world.upstream.seen.length === seen) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(await free()).toBeLessThan(credit)
    expect(await refusal(await take({ amount: String(credit) }))).toEqual([409, 'payout_short'])
    release()
    expect((await call).status).toBe(200)
  })

  test('cannot be paid twice by two payouts at once', async () => {
    const credit = await earnCredit()
    const before = await world.balance(payer.address)
    const signs = await Promise.all([1, 2, 3].map(() => signIn('/v1/account/payout')))
    const answers = await Promise.all(signs.map((one) => ask(one)))
    expect(answers.map((one) => one.status).toSorted()).toEqual([202, 409, 409])
    await world.settle()
    expect((await world.balance(payer.address)) - before).toBe(credit)
  })

  test('has one payout on its way at a time', async () => {
    await earnCredit()
    await world.rpc('evm_setAutomine', [false])
    const [, first] = await told(await take({ amount: '60' }))
    const second = await take({ amount: '61' })
    const text = await second.clone().text()
    expect(await refusal(second)).toEqual([409, 'payout_in_flight'])
    expect(text).toContain(first.id)
    await world.rpc('evm_setAutomine', [true])
    await world.rpc('evm_mine')
    await world.settle()
    expect((await take({ amount: '61' })).status).toBe(202)
  })

  test('may repeat a request for a payout with its sign-in: it stays one payout, also after a restart', async () => {
    await earnCredit()
    const before = await world.balance(payer.address)
    const sign = await signIn('/v1/account/payout')
    const [, first] = await told(await ask(sign, { amount: '60' }))
    const [, second] = await told(await ask(sign, { amount: '60' }))
    expect(second.id).toBe(first.id)
    expect(await refusal(await ask(sign, { amount: '70' }))).toEqual([409, 'idempotency_conflict'])
    await world.settle()
    const url = world.farebox.url
    await world.restart()
    // The port is another one now, and with it the address that was signed for.
    expect(world.farebox.url).not.toBe(url)
    expect((await world.farebox.deps.payouts.find(first.id))?.settlement.at).toBe('settled')
    expect((await world.balance(payer.address)) - before).toBe(60n)
  })

  test('is told when there is no such token or payout', async () => {
    expect(await refusal(await take({ asset: payer.address }))).toEqual([400, 'invalid_request'])
    const nothing = await fetch(`${world.farebox.url}/v1/account/payouts/errand_x`)
    expect(await refusal(nothing)).toEqual([404, 'payout_not_found'])
  })
})

describe('a sign-in', () => {
  const account = async (headers: Record<string, string>) =>
    refusal(await fetch(`${world.farebox.url}/v1/account`, { headers }))
  const INVALID = [401, 'sign_in_invalid']

  test('is needed', async () => {
    expect(await account({})).toEqual([401, 'sign_in_required'])
    expect(await refusal(await ask({}))).toEqual([401, 'sign_in_required'])
  })

  test('is good once', async () => {
    const sign = await signIn('/v1/account')
    expect((await account(sign))[0]).toBe(200)
    expect(await account(sign)).toEqual(INVALID)
  })

  test('that paid out nothing is used up as well', async () => {
    const sign = await signIn('/v1/account/payout')
    expect(await refusal(await ask(sign))).toEqual([400, 'payout_too_small'])
    await earnCredit()
    expect(await refusal(await ask(sign))).toEqual(INVALID)
  })

  test('for one path is not good for another', async () => {
    await earnCredit()
    expect(await refusal(await ask(await signIn('/v1/account')))).toEqual(INVALID)
    expect(await account(await signIn('/v1/account/payout'))).toEqual(INVALID)
  })

  test.each<[string, () => object]>([
    ['another domain', () => ({ domain: 'evil.test', uri: 'http://evil.test/v1/account' })],
    ['another path', () => ({ uri: `${world.farebox.url}/v1/accounts` })],
    ['another chain', () => ({ chainId: 'eip155:1' })],
    ['a nonce of its own', () => ({ nonce: 'a'.repeat(56) })],
    ['a later end', () => ({ expirationTime: new Date(Date.now() + 9e6).toISOString() })],
    ['no end', () => ({ expirationTime: undefined })],
    ['another beginning', () => ({ issuedAt: new Date(0).toISOString() })],
    ['a request id', () => ({ requestId: 'abc' })],
  ])('with %s is refused', async (_, change) => {
    expect(await account(await signIn('/v1/account', payer, change()))).toEqual(INVALID)
  })

  test('of another account is refused', async () => {
    const sign = await signIn('/v1/account')
    const said = JSON.parse(Buffer.from(sign['sign-in-with-x']!, 'base64').toString())
    const victim = await world.payer()
    const forged = { ...said, address: victim.address }
    expect(await account({ 'sign-in-with-x': encodeSIWxHeader(forged) })).toEqual(INVALID)
    expect(await account({ 'sign-in-with-x': 'nonsense' })).toEqual(INVALID)
    expect(await account({ 'sign-in-with-x': encodeSIWxHeader({ ...said, signature: '0x00' }) })).toEqual(
      INVALID,
    )
  })

  test('is over after five minutes, and with the process that it was made for', async () => {
    let shift = 0
    const clock = { ...systemClock, now: () => Date.now() + shift }
    await world.restart({ clock })
    const sign = await signIn('/v1/account')
    shift = 301_000
    expect(await account(sign)).toEqual(INVALID)
    await world.restart()
  })
})

describe('a payout that is interrupted is paid once', () => {
  test('after it was ordered', async () => {
    const credit = await earnCredit()
    const before = await world.balance(payer.address)
    // What a process leaves behind that dies at this point.
    expect((await world.farebox.deps.ledger.post({ type: 'order', errand: errand(credit) })).ok).toBe(true)
    await world.restart()
    await world.settle()
    expect((await world.balance(payer.address)) - before).toBe(credit)
  })

  test('after it was sent', async () => {
    const credit = await earnCredit()
    const before = await world.balance(payer.address)
    await world.rpc('evm_setAutomine', [false])
    const [, { id }] = await told(await take())
    await world.restart()
    await world.rpc('evm_setAutomine', [true])
    await world.rpc('evm_mine')
    await world.settle()
    expect((await world.farebox.deps.payouts.find(id))?.settlement.at).toBe('settled')
    expect((await world.balance(payer.address)) - before).toBe(credit)
  })

  test('by a reorganisation', async () => {
    const credit = await earnCredit()
    const before = await world.balance(payer.address)
    const [, { id }] = await told(await take())
    await world.settle()
    expect((await world.balance(payer.address)) - before).toBe(credit)
    await world.rpc('anvil_reorg', [1, []])
    expect((await world.balance(payer.address)) - before).toBe(0n)
    await world.farebox.deps.settler(NETWORK).tick()
    await world.settle()
    expect((await world.farebox.deps.payouts.find(id))?.settlement.at).toBe('settled')
    expect((await world.balance(payer.address)) - before).toBe(credit)
    expect(await free()).toBe(0n)
  })
})

test('credit above the threshold is paid out by itself, once, and less is not', async () => {
  const credit = await earnCredit()
  const poor = await world.payer()
  const small = await earnCredit(poor)
  const before = await world.balance(payer.address)
  const one = world.farebox.deps
  const { createPayouts } = await import('../../src/payment/payout.ts')
  const { createChain } = await import('../../src/chain/chain.ts')
  const chain = createChain(NETWORK, [world.net.url])
  const payouts = createPayouts({
    ledger: one.ledger,
    tills: one.offers.tills,
    chainOf: () => chain,
    settlerOf: one.settler,
    settler: settler(),
    clock: one.clock,
    log: one.log,
    above: (credit + 1n) as never,
    least: 1n as never,
  })
  await payouts.look()
  expect([await free(), await free(poor)]).toEqual([credit, small])
  await earnCredit()
  const total = await free()
  await Promise.all([payouts.look(), payouts.look()])
  await payouts.look()
  await world.settle()
  expect((await world.balance(payer.address)) - before).toBeGreaterThan(0n)
  expect([await free(), await free(poor)]).toEqual([0n, small])
  expect(total).toBeGreaterThan(credit)
  await chain.close()
})

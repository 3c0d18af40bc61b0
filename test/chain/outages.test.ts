import { encodeFunctionData } from 'viem'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { testUsdc } from '../../src/cli/demo/test-usdc.generated.ts'
import { ACCOUNT } from '../../src/ledger/moves.ts'
import { buy, header, offersOf, post, signOffer } from '../support/pay.ts'
import { costingNothing, told } from '../support/refused.ts'
import { goodAnswer, type Script } from '../support/upstream.ts'
import { hello, startWorld, type World } from '../support/world.ts'

/** Every call settles before it is served. */
let world: World
beforeAll(async () => {
  world = await startWorld({ store: 'sqlite', extra: 'exposure: { perCall: "0.00001" }' })
})
afterAll(() => world.close())
beforeEach(() => world.upstream.script(goodAnswer))

const broken: Script = ({ response }) => void response.writeHead(500).end()
const paying = async (body: unknown = hello()) => {
  const payer = await world.payer()
  const offer = offersOf(await post(world.chat, body))[0]!
  const payment = await signOffer(payer, offer)
  return { payer, offer, send: () => post(world.chat, body, { 'payment-signature': header(payment) }) }
}
const creditOf = (payer: string) =>
  world.farebox.deps.ledger.balance(
    `eip155:${world.net.chainId}/${world.token.toLowerCase()}`,
    ACCOUNT.credit(payer.toLowerCase() as `0x${string}`),
  )
const callId = (response: Response) => response.headers.get('x-farebox-call')!
const get = (path: string) => fetch(`${world.farebox.url}${path}`)

test('a call that fails after its payment had settled gives the whole amount back as credit, which the next price uses', async () => {
  world.upstream.script(broken)
  const { payer, offer, send } = await paying()
  const response = await send()
  const { says, hint } = await told(response)
  expect(says).toBe(
    '502 upstream_failed_credited No provider could answer (unavailable), after the payment had settled.',
  )
  expect(hint).toBe(
    'The whole amount is your credit here: name yourself in X-Farebox-Payer and the next quote uses it.',
  )
  await world.settle()
  expect(await creditOf(payer.address)).toBe(BigInt(offer.amount))
  const next = offersOf(await post(world.chat, hello(), { 'x-farebox-payer': payer.address }))[0]!
  expect(next.amount).toBe('0')
  const receipt = await told(await get(`/v1/receipts/${callId(response)}`))
  expect(receipt.says).toMatch(/^404 receipt_not_ready This call has no receipt: it is \w+\.$/)
  expect(receipt.hint).toBe(`GET /v1/calls/${callId(response)} tells how it stands.`)
})

test('a payment that the chain is slow to confirm is pending, never asked for again, and becomes credit when it lands', async () => {
  world.farebox.deps.settleFirstMs = 200
  const { payer, offer, send } = await paying()
  await world.rpc('evm_setAutomine', [false])
  const before = world.upstream.seen.length
  const response = await send()
  const { says, hint } = await told(response)
  expect(says).toBe(
    '202 settlement_pending The payment was submitted and is not yet confirmed; the call has not run.',
  )
  expect(hint).toBe(
    `Do not sign again. GET /v1/calls/${callId(response)}: when it settles, the amount is your credit.`,
  )
  expect(response.headers.get('payment-required')).toBeNull()
  await world.rpc('evm_setAutomine', [true])
  await world.rpc('evm_mine')
  await world.settle()
  world.farebox.deps.settleFirstMs = 60_000
  expect(await creditOf(payer.address)).toBe(BigInt(offer.amount))
  expect(world.upstream.seen).toHaveLength(before)
  expect((await told(await send())).says).toMatch(/^409 payment_already_used /)
})

test('a payment that the token refuses to move buys nothing', async () => {
  const { payer, send } = await paying()
  const data = encodeFunctionData({ abi: testUsdc.abi, functionName: 'blacklist', args: [payer.address] })
  await world.act(world.net.accounts[0]!.address, world.token, data)
  const before = world.upstream.seen.length
  const response = await send()
  expect(offersOf(response)).toHaveLength(1)
  const { says, hint } = await told(response)
  expect(says).toMatch(
    /^402 settlement_failed The payment could not be settled \(.+\), so the call did not run\.$/,
  )
  expect(hint).toBe('Send the request again without a payment header, and sign the new quote.')
  expect(world.upstream.seen).toHaveLength(before)
  expect(await creditOf(payer.address)).toBe(0n)
})

test('a mistake of ours is told without its insides, and costs nothing', async () => {
  const { provider } = world.farebox.deps
  const payer = await world.payer()
  // With credit nothing has to settle first.
  expect((await buy(world.chat, payer, hello({ max_tokens: 500 }))).status).toBe(200)
  await world.settle()
  world.farebox.deps.provider = (id) => ({
    id,
    lacks: () => new Set(),
    ask: () => Promise.reject(new TypeError('undefined is not a secret of /etc/passwd')),
    close: async () => {},
  })
  const named = { 'x-farebox-payer': payer.address }
  const response = await costingNothing(world, () => buy(world.chat, payer, hello(), named))
  world.farebox.deps.provider = provider
  const answer = await told(response)
  expect(answer.says).toBe('500 internal Something went wrong here.')
  expect(answer.hint).toBe(
    `If you paid, GET /v1/calls/${callId(response)} from the X-Farebox-Call header tells how the call stands; do not sign again before.`,
  )
  expect(await (await get(`/v1/calls/${callId(response)}`)).json()).toMatchObject({
    state: 'released',
    charged: '0',
  })
})

test('while the chain cannot be reached no call is served on trust, and nothing is charged', async () => {
  const other = await startWorld()
  const payment = header(await signOffer(await other.payer(), offersOf(await post(other.chat, hello()))[0]!))
  await other.net.stop()
  const { says, hint } = await told(await post(other.chat, hello(), { 'payment-signature': payment }))
  expect(says).toBe('503 chain_unavailable The chain cannot be reached to check this payment.')
  expect(hint).toBe(
    'Nothing was charged and this authorization will never be submitted. Try again shortly with a new quote.',
  )
  const { ledger } = other.farebox.deps
  expect((await ledger.balances()).filter((row) => row.value !== 0n)).toEqual([])
  expect(other.upstream.seen).toEqual([])
  const ready = await fetch(`${other.farebox.url}/readyz`)
  expect([ready.status, await ready.json()]).toMatchObject([
    503,
    { ready: false, problems: ['eip155:84532 does not answer'] },
  ])
  await other.close()
})

test('while the ledger cannot be written no payment is taken', async () => {
  const other = await startWorld({ store: 'sqlite' })
  const payment = header(await signOffer(await other.payer(), offersOf(await post(other.chat, hello()))[0]!))
  await other.farebox.deps.ledger.close()
  const { says, hint } = await told(await post(other.chat, hello(), { 'payment-signature': payment }))
  expect(says).toBe('503 ledger_unavailable The ledger cannot be written, so no payment is taken.')
  expect(hint).toBe('Try again shortly. Nothing was charged.')
  expect(other.upstream.seen).toEqual([])
  expect((await fetch(`${other.farebox.url}/readyz`)).status).toBe(503)
  expect((await fetch(`${other.farebox.url}/healthz`)).status).toBe(200)
  await other.close()
})

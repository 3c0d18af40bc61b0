import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import type { Asset } from '../../src/assets.ts'
import type { Call } from '../../src/ledger/call.ts'
import { NO_MONEY } from '../../src/money.ts'
import { openCoinbase } from '../../src/settle/coinbase.ts'
import { createRelay, hintOf, settleBody } from '../../src/settle/relay.ts'
import { EXACT_PROXY } from '../../src/wire/contracts.ts'
import { encodeHeaderJson } from '../../src/wire/json.ts'
import { readPayment } from '../../src/wire/payment.ts'

const HASH = `0x${'ab'.repeat(32)}` as const
const TOKEN = `0x${'aa'.repeat(20)}` as const
const asset: Asset = {
  chain: 'eip155:84532',
  address: TOKEN,
  symbol: 'USDC',
  decimals: 6,
  name: 'USD Coin',
  version: '2',
  methods: ['eip3009', 'permit2'],
}
const call: Call = {
  is: 'call',
  id: 'call_1',
  kind: 'eip3009',
  claim: 'claim_1',
  chain: asset.chain,
  token: TOKEN,
  decimals: 6,
  payer: `0x${'0a'.repeat(20)}`,
  payTo: `0x${'bb'.repeat(20)}`,
  validAfter: 5n,
  validBefore: 1_800_000_300n,
  nonce: `0x${'00'.repeat(31)}2a`,
  signature: `0x${'11'.repeat(64)}1b`,
  signed: 1_234n,
  credit: 0n,
  ceiling: 1_234n,
  quoteId: 'quote',
  requestDigest: HASH,
  asked: 'test/small',
  stream: false,
  settleFirst: false,
  at: 1_800_000_000_000,
  exposed: NO_MONEY,
  pending: 0n,
  service: { at: 'dispatched' },
  settlement: { at: 'due' },
}

const answer = (body: object) => JSON.stringify(body)

test.each([
  [
    'success',
    200,
    answer({ success: true, transaction: HASH, network: 'x' }),
    { kind: 'pending', why: 'submitted', hash: HASH },
  ],
  [
    'success without a transaction',
    200,
    answer({ success: true, transaction: 'soon' }),
    { kind: 'pending', why: 'submitted' },
  ],
  [
    'pending',
    200,
    answer({ success: false, errorReason: 'settlement_pending', transaction: HASH }),
    { kind: 'pending', why: 'settlement_pending', hash: HASH },
  ],
  [
    'pending with a 402',
    402,
    answer({ success: false, errorReason: 'settlement_pending', transaction: HASH }),
    { kind: 'pending', why: 'settlement_pending', hash: HASH },
  ],
  [
    'used already',
    200,
    answer({ success: false, errorReason: 'invalid_exact_evm_nonce_already_used' }),
    { kind: 'pending', why: 'invalid_exact_evm_nonce_already_used' },
  ],
  [
    'its own trouble',
    200,
    answer({ success: false, errorReason: 'unexpected_settle_error' }),
    { kind: 'pending', why: 'unexpected_settle_error' },
  ],
  [
    'a 500 that says it failed',
    500,
    answer({ success: false, errorReason: 'insufficient_funds' }),
    { kind: 'pending', why: 'status 500' },
  ],
  ['a 429', 429, '', { kind: 'pending', why: 'status 429' }],
  [
    'a redirect',
    302,
    answer({ success: true, transaction: HASH }),
    { kind: 'pending', why: 'status 302', hash: HASH },
  ],
  ['garbage', 200, '<html>', { kind: 'pending', why: 'not a settle response' }],
  ['null', 200, 'null', { kind: 'pending', why: 'not a settle response' }],
  [
    'a success that is no boolean',
    200,
    answer({ success: 'true' }),
    { kind: 'pending', why: 'not a settle response' },
  ],
  [
    'a refusal',
    200,
    answer({ success: false, errorReason: 'insufficient_funds' }),
    { kind: 'refused', why: 'insufficient_funds' },
  ],
  ['a refusal by status', 400, 'no', { kind: 'refused', why: 'status 400' }],
  ['a key that is not known', 401, '{}', { kind: 'refused', why: 'status 401' }],
  [
    'a refusal with a page in it',
    200,
    answer({ success: false, errorReason: '<b>no\n</b>' }),
    { kind: 'refused', why: '_b_no___b_' },
  ],
])('what a facilitator says is a hint: %s', (_, status, text, hint) => {
  expect(hintOf(status, text)).toEqual(hint)
})

test('what is sent is the payment as it was signed, for both ways of signing', () => {
  const read = (one: Call) => {
    const { paymentPayload } = settleBody(one, asset)
    return readPayment(encodeHeaderJson(paymentPayload), undefined)
  }
  const { validAfter, validBefore, nonce, signature } = call
  const signed = {
    from: call.payer,
    to: call.payTo,
    value: 1_234n,
    validAfter,
    validBefore,
    nonce,
    signature,
  }
  expect(read(call)).toMatchObject({ version: 2, authorization: { kind: 'eip3009', ...signed } })
  expect(read({ ...call, kind: 'permit2' })).toMatchObject({
    version: 2,
    authorization: { kind: 'permit2', token: TOKEN, ...signed },
  })
  expect(settleBody(call, asset).paymentRequirements).toEqual({
    scheme: 'exact',
    network: 'eip155:84532',
    amount: '1234',
    asset: TOKEN,
    payTo: call.payTo,
    maxTimeoutSeconds: 300,
    extra: { name: 'USD Coin', version: '2' },
  })
  expect(JSON.stringify(settleBody({ ...call, kind: 'permit2' }, asset))).toContain(EXACT_PROXY)
})

let close: (() => Promise<void>) | undefined
afterEach(() => close?.())

const facilitator = async (listener: RequestListener, headers: Record<string, string> = {}) => {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x402/`
  const relay = createRelay({ url, headers: async () => headers, timeoutMs: 300, assetOf: () => asset })
  close = async () => {
    await relay.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return relay
}

test('it is asked at its own path with its own key, and no other address is ever followed', async () => {
  const seen: string[] = []
  const relay = await facilitator(
    ({ url, headers }, response) => {
      seen.push(`${url} ${headers.authorization} ${headers.cookie}`)
      response.writeHead(307, { location: '/elsewhere', 'set-cookie': 'a=b' }).end()
    },
    { authorization: 'Bearer k' },
  )
  expect(await relay.settle(call)).toEqual({ kind: 'pending', why: 'status 307' })
  expect(await relay.settle(call)).toEqual({ kind: 'pending', why: 'status 307' })
  expect(seen).toEqual(['/x402/settle Bearer k undefined', '/x402/settle Bearer k undefined'])
})

test('an answer without end, one that is slow and one that breaks off all leave the payment pending', async () => {
  const huge = await facilitator((_, response) => {
    response.writeHead(200)
    const more = () => response.write('x'.repeat(16_384), () => setImmediate(more))
    more()
  })
  expect(await huge.settle(call)).toMatchObject({
    kind: 'pending',
    why: expect.stringContaining('too large'),
  })
  await close?.()
  const slow = await facilitator(() => {})
  expect(await slow.settle(call)).toMatchObject({ kind: 'pending' })
  await close?.()
  const cut = await facilitator((_, response) => void response.destroy())
  expect(await cut.settle(call)).toMatchObject({ kind: 'pending' })
})

test('the package of Coinbase gives the address and a fresh token for each request', async () => {
  let made = 0
  const load = async () => ({
    createFacilitatorConfig: (id: string, secret: string) => ({
      url: 'https://cdp.test/x402',
      createAuthHeaders: async () => ({
        verify: { Authorization: 'no' },
        settle: { Authorization: `Bearer ${id} ${secret} ${++made}` },
      }),
    }),
  })
  const { url, headers } = await openCoinbase({ id: 'me', secret: 's' }, load)
  expect(url).toBe('https://cdp.test/x402')
  expect([await headers(), await headers()]).toEqual([
    { Authorization: 'Bearer me s 1' },
    { Authorization: 'Bearer me s 2' },
  ])
})

test('without the package of Coinbase, or without keys, the start says what to do', async () => {
  await expect(openCoinbase({ id: 'me', secret: 's' })).rejects.toThrow('npm install @coinbase/x402')
  await expect(openCoinbase({ id: undefined, secret: 's' })).rejects.toThrow('facilitator.keyIdEnv')
  await expect(openCoinbase({ id: 'me', secret: 's' }, async () => ({}))).rejects.toThrow(
    'createFacilitatorConfig',
  )
})

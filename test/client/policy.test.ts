import { expect, test } from 'vitest'
import { type Demand, readDemand } from '../../src/client/demand.ts'
import { allowsUrl, type Policy, readPolicy, usdUp } from '../../src/client/policy.ts'
import { judge } from './buyer.ts'
import { offer, SIGNER, TOKEN, TOKENS } from './router.ts'

const BASE_USDC = '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913'
const headers = (accepts: unknown, version: unknown = 2) =>
  new Headers({
    'payment-required': Buffer.from(JSON.stringify({ x402Version: version, accepts })).toString('base64'),
  })
const demandOf = (accepts: unknown[], body: unknown = {}): Demand => readDemand(headers(accepts), body)!
const judged = (policy: Policy, accepts: unknown[], body?: unknown) => judge(policy, demandOf(accepts, body))
const codeOf = (policy: Policy, accepts: unknown[]) => {
  const found = judged(policy, accepts)
  return found.ok ? found.quote.asset.symbol : found.code
}

test('without a policy, USDC on the main chains is paid up to ten cents', () => {
  const usdc = { network: 'eip155:8453', asset: BASE_USDC } as const
  expect(codeOf({}, [offer({ ...usdc, amount: '100000' })])).toBe('USDC')
  expect(codeOf({}, [offer({ ...usdc, amount: '100001' })])).toBe('above_call_limit')
  expect(codeOf({}, [offer()])).toBe('asset_not_allowed')
  expect(codeOf({}, [offer({ network: 'eip155:1', asset: BASE_USDC })])).toBe('asset_not_allowed')
})

test('a token is paid with only on the chain and at the address that the policy names', () => {
  expect(codeOf({ assets: TOKENS }, [offer()])).toBe('TEST')
  expect(
    codeOf({ assets: TOKENS }, [offer({ asset: TOKEN.toUpperCase().replace('0X', '0x') as `0x${string}` })]),
  ).toBe('TEST')
  expect(codeOf({ assets: TOKENS }, [offer({ network: 'eip155:8453' })])).toBe('asset_not_allowed')
  expect(codeOf({ assets: TOKENS, chains: ['eip155:8453'] }, [offer()])).toBe('chain_not_allowed')
})

test('the first offer that the policy allows is taken, and the reason of the closest one is told otherwise', () => {
  const dear = offer({ amount: '900000' })
  const found = judged({ assets: TOKENS }, [
    { scheme: 'upto' },
    offer({ network: 'eip155:5' }),
    dear,
    offer({ amount: '7' }),
    offer(),
  ])
  expect(found).toMatchObject({ ok: true, quote: { usd: 7n, amount: 7n } })
  expect(codeOf({ assets: TOKENS }, [offer({ network: 'eip155:5' }), dear])).toBe('above_call_limit')
  expect(codeOf({ assets: TOKENS }, [{ scheme: 'upto' }])).toBe('no_payable_offer')
})

test('a refused price comes with the max_tokens that would fit', () => {
  const body = { quote: { max_tokens_that_fit: { '0.01': 400, '0.001': 30, '0.1': 5000, '1': 70000 } } }
  const found = judged({ assets: TOKENS, maxPerCall: '0.05' }, [offer({ amount: '900000' })], body)
  expect(found).toEqual({
    ok: false,
    code: 'above_call_limit',
    limit: '0.05',
    hint: 'The call asks for $0.9. With max_tokens 400 it stays within $0.01. Raise policy.maxPerCall to allow it.',
  })
})

test('limits count a fraction of a micro-dollar as a whole one', () => {
  expect([
    usdUp(1n, 18),
    usdUp(10n ** 12n, 18),
    usdUp(10n ** 12n + 1n, 18),
    usdUp(5n, 6),
    usdUp(5n, 2),
  ]).toEqual([1n, 1n, 2n, 5n, 50_000n])
})

test('offers that another way of paying, a strange amount or a strange shape makes unreadable are left aside', () => {
  const strange = [
    offer({ amount: '0x10' }),
    offer({ amount: '-1' }),
    offer({ amount: '1e3' }),
    offer({ amount: ' 1' }),
    offer({ amount: (2n ** 256n).toString() }),
    offer({ payTo: '0x12' }),
    offer({ maxTimeoutSeconds: 0 }),
    offer({ maxTimeoutSeconds: 1.5 }),
    { ...offer(), network: 'solana:mainnet' },
    { ...offer(), extra: { version: '2' } },
    { ...offer(), extra: { ...offer().extra, assetTransferMethod: 'erc7710' } },
    { ...offer(), extra: { ...offer().extra, paymentFlow: 'upfront' } },
    null,
    'exact',
  ]
  expect(demandOf(strange)).toMatchObject({ offers: [], others: strange.length })
  expect(readDemand(headers([offer()], 1), {})).toMatchObject({ offers: [] })
  expect(readDemand(new Headers({ 'payment-required': 'not base64 {' }), {})).toMatchObject({ offers: [] })
  expect(readDemand(new Headers(), {})).toBeUndefined()
})

test('an offer is echoed with every field it came with', () => {
  const raw = { ...offer(), unknown: { deep: [1] } }
  expect(demandOf([raw]).offers[0]).toMatchObject({ raw, signer: SIGNER })
})

test.each([
  [{}, 'https://any.example/v1', true],
  [{}, 'http://127.0.0.1:8402/v1', true],
  [{}, 'http://localhost/v1', true],
  [{}, 'http://[::1]:8402/', true],
  [{}, 'http://any.example/v1', false],
  [{}, 'http://127.0.0.1.evil.example/', false],
  [{}, 'ftp://any.example/', false],
  [{ hosts: ['api.example'] }, 'https://api.example/v1', true],
  [{ hosts: ['api.example'] }, 'https://api.example:8443/v1', false],
  [{ hosts: ['api.example:8443'] }, 'https://api.example:8443/v1', true],
  [{ hosts: ['api.example'] }, 'https://api.example.evil.example/', false],
  [{ hosts: ['api.example'] }, 'https://evil.example/api.example', false],
  [{ hosts: ['api.example'] }, 'https://api.example@evil.example/', false],
  [{ hosts: ['router.internal:8402'] }, 'http://router.internal:8402/', true],
] as const)('with policy %j, %s may be paid: %s', (policy, url, allowed) => {
  expect(allowsUrl(readPolicy(policy), new URL(url))).toBe(allowed)
})

test.each([
  [{ maxPerCall: '$1' }, 'policy.maxPerCall must be dollars'],
  [{ maxTotal: '1e3' }, 'policy.maxTotal must be dollars'],
  [{ maxPerHour: '' }, 'policy.maxPerHour must be dollars'],
  [{ hosts: ['https://api.example'] }, 'policy.hosts'],
  [{ chains: ['base'] }, 'policy.chains'],
  [{ assets: [{ chain: 'eip155:1', address: '0x1', decimals: 6 }] }, 'policy.assets'],
  [{ assets: [{ chain: 'eip155:1', address: TOKEN, decimals: 99 }] }, 'policy.assets: decimals'],
  [{ signers: { 'api.example': SIGNER } }, 'policy.signers'],
] as const)('policy %j is refused when the client is made, by the name of its field', (policy, words) => {
  expect(() => readPolicy(policy)).toThrow(words)
})

import { expect, test } from 'vitest'
import { readDemand } from '../../src/client/demand.ts'
import { KNOWN_ASSETS } from '../../src/client/known-assets.ts'
import { judge } from './buyer.ts'
import { offer } from './router.ts'

const judged = (network: `eip155:${number}`, asset: `0x${string}`, amount: string) => {
  const accepts = [offer({ network, asset, amount })]
  const header = Buffer.from(JSON.stringify({ x402Version: 2, accepts })).toString('base64')
  return judge({}, readDemand(new Headers({ 'payment-required': header }), {})!)
}

test('USDC and USDT of the main chains are known, each once', () => {
  const keys = KNOWN_ASSETS.map((one) => `${one.chain} ${one.address}`)
  expect(new Set(keys).size).toBe(keys.length)
  const onBase = KNOWN_ASSETS.filter((one) => one.chain === 'eip155:8453')
  expect(onBase).toEqual([
    {
      chain: 'eip155:8453',
      address: '0x833589fcd6edb6e08f4c7c32d4f71b54bda02913',
      decimals: 6,
      symbol: 'USDC',
    },
    {
      chain: 'eip155:8453',
      address: '0xfde4c96c8593536e31f229ea8f37b2ada2699bb2',
      decimals: 6,
      symbol: 'USDT',
    },
  ])
})

test('without a policy, USDT is paid up to ten cents as USDC is', () => {
  const usdtOnCelo = '0x48065fbBE25f71C9282ddf5e1cD6D6A887483D5e'
  expect(judged('eip155:42220', usdtOnCelo, '100000')).toMatchObject({ ok: true, quote: { usd: 100_000n } })
  expect(judged('eip155:42220', usdtOnCelo, '100001')).toMatchObject({ code: 'above_call_limit' })
})

test('a dollar of 18 decimals counts as a dollar', () => {
  const usdcOnBnb = '0x8AC76a51cc950d9822D68b83fE1Ad97B32Cd580d'
  expect(judged('eip155:56', usdcOnBnb, `${10n ** 17n}`)).toMatchObject({
    ok: true,
    quote: { usd: 100_000n },
  })
  expect(judged('eip155:56', usdcOnBnb, `${10n ** 17n + 1n}`)).toMatchObject({ code: 'above_call_limit' })
})

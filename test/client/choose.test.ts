import { expect, test } from 'vitest'
import type { Facts } from '../../src/client/choose.ts'
import { readDemand } from '../../src/client/demand.ts'
import { type Policy, readPolicy } from '../../src/client/policy.ts'
import { parseUsd, type Usd } from '../../src/money.ts'
import { judge } from './buyer.ts'
import { channelOffer } from './channel-router.ts'
import { offer, SIGNER, TOKENS } from './router.ts'

const OTHER = '0x00000000000000000000000000000000000000ee'
const { extra } = offer()
const permit2 = offer({ extra: { ...extra, assetTransferMethod: 'permit2' } })
const upto = (change: object = {}) =>
  offer({ scheme: 'upto', extra: { ...extra, facilitatorAddress: SIGNER, ...change } })
const ALL = [channelOffer(), upto(), permit2, offer()]
const WITH: Partial<Facts> = { deposit: parseUsd('1') as Usd }
const SHORT: Partial<Facts> = { isShort: ({ method }) => method === 'permit2' }

const choice = (policy: Policy, accepts: unknown[], facts: Partial<Facts> = {}) => {
  const header = Buffer.from(JSON.stringify({ x402Version: 2, accepts })).toString('base64')
  const demand = readDemand(new Headers({ 'payment-required': header }), {})!
  const found = judge({ assets: TOKENS, ...policy }, demand, facts)
  return found.ok ? found.offer.way : found.code
}

test.each<[string, Policy, unknown[], Partial<Facts>, string]>([
  ['a channel, where the client has them', {}, ALL, WITH, 'channel'],
  ['exact by EIP-3009 without channels', {}, ALL, {}, 'exact'],
  ['upto before exact by Permit2', {}, [permit2, upto()], {}, 'upto'],
  ['exact by Permit2 where nothing else is offered', {}, [permit2], {}, 'permit2'],
  ['upto before exact where that is asked for', { schemes: ['upto', 'exact'] }, ALL, WITH, 'upto'],
  [
    'exact after all where Permit2 is known to lack the allowance',
    { schemes: ['upto', 'exact'] },
    ALL,
    SHORT,
    'exact',
  ],
  [
    'upto though the allowance is short, where there is nothing else',
    { schemes: ['upto'] },
    ALL,
    SHORT,
    'upto',
  ],
  [
    'nothing that the policy does not name',
    { schemes: ['permit2'] },
    [upto(), offer()],
    {},
    'scheme_not_allowed',
  ],
  ['no channel without channels', { schemes: ['channel'] }, ALL, {}, 'scheme_not_allowed'],
  ['no upto that another settles', {}, [upto({ facilitatorAddress: OTHER })], {}, 'facilitator_not_allowed'],
  [
    'an upto that a pinned one settles',
    { facilitators: [OTHER] },
    [upto({ facilitatorAddress: OTHER })],
    {},
    'upto',
  ],
  [
    'no upto of a server that signs no receipts',
    {},
    [upto({ signer: undefined })],
    {},
    'facilitator_not_allowed',
  ],
  ['no upto without its settler', {}, [upto({ facilitatorAddress: undefined })], {}, 'no_payable_offer'],
  ['no upto by EIP-3009', {}, [upto({ assetTransferMethod: 'eip3009' })], {}, 'no_payable_offer'],
  ['no upto above the limit of a call', { maxPerCall: '0.009' }, [upto()], {}, 'above_call_limit'],
  ['no token that is not named', { assets: [] }, [upto()], {}, 'asset_not_allowed'],
  [
    'no channel whose claims nobody may sign',
    {},
    [channelOffer({ receiverAuthorizer: `0x${'0'.repeat(40)}` })],
    WITH,
    'no_payable_offer',
  ],
])('%s', (_, policy, accepts, facts, way) => {
  expect(choice(policy, accepts, facts)).toBe(way)
})

test('what was tried in vain is not tried again, and the next way is taken', () => {
  const header = Buffer.from(JSON.stringify({ x402Version: 2, accepts: ALL })).toString('base64')
  const { offers } = readDemand(new Headers({ 'payment-required': header }), {})!
  const ways = ['exact', 'upto', 'permit2', 'scheme_not_allowed']
  const tried = ['exact', 'upto', 'permit2'].map((way) => ({
    offer: offers.find((one) => one.way === way)!,
    poor: false,
  }))
  ways.forEach((way, n) => {
    expect(choice({}, ALL, { tried: tried.slice(0, n) })).toBe(way)
  })
})

test('a way that does not exist is a mistake in the policy', () => {
  expect(() => readPolicy({ schemes: ['cash' as never] })).toThrow(
    'policy.schemes: "cash" is none of channel, exact',
  )
  expect(() => readPolicy({ facilitators: ['0x1'] })).toThrow('policy.facilitators: "0x1" is not an address')
})

test('after a way that failed, the same token comes first; after a wallet without the token, another one', () => {
  const other = '0x00000000000000000000000000000000000000ff'
  const assets = [...TOKENS, { ...TOKENS[0]!, address: other }]
  const accepts = [upto(), { ...upto(), asset: other }, offer()]
  const header = Buffer.from(JSON.stringify({ x402Version: 2, accepts })).toString('base64')
  const demand = readDemand(new Headers({ 'payment-required': header }), {})!
  const next = (poor: boolean) => {
    const tried = [{ offer: demand.offers[0]!, poor }]
    const found = judge({ assets, schemes: ['upto', 'exact'] }, demand, { tried })
    return found.ok ? [found.offer.way, found.offer.asset] : found.code
  }
  expect(next(false)).toEqual(['exact', TOKENS[0]!.address])
  expect(next(true)).toEqual(['upto', other])
})

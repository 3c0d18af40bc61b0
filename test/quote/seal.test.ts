import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ChainId, Hex } from '../../src/assets.ts'
import type { Rate } from '../../src/money.ts'
import { createSealer, type Terms } from '../../src/quote/seal.ts'
import type { Strategy } from '../../src/route/strategies.ts'

const OLD = 'an-old-secret-that-is-32-characters-long'
const NEW = 'a-new-secret-that-is-32-characters-long!'
const sealer = await createSealer([OLD])

const hex = (bytes: number) =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((b) => `0x${Buffer.from(b).toString('hex')}` as Hex)
const amount = fc.bigInt({ min: 0n, max: 2n ** 128n })
const rate = amount.map((value) => value as Rate)
const name = fc.string({ unit: 'binary', maxLength: 20 })
const rates = { input: rate, output: rate, cachedInput: rate, cacheWrite: rate }
const route = fc.record({
  model: name,
  provider: name,
  hostModel: name,
  prices: fc.oneof(
    fc.record(rates),
    fc.record({
      ...rates,
      tiers: fc.array(fc.record({ over: fc.nat(), ...rates }), { minLength: 1, maxLength: 2 }),
    }),
  ),
})
const terms: fc.Arbitrary<Terms> = fc.record({
  id: name,
  asked: name,
  strategy: fc.constantFrom<Strategy>('balanced', 'cost', 'latency', 'availability'),
  why: name,
  routes: fc.array(route, { minLength: 1, maxLength: 3 }),
  digest: hex(32),
  estimated: fc.nat(),
  input: fc.nat(),
  margin: amount,
  maxOutput: fc.nat(),
  choices: fc.nat(8),
  ceiling: amount,
  amount,
  credit: amount,
  payer: fc.option(hex(20), { nil: undefined }),
  chain: fc.nat().map((id): ChainId => `eip155:${id}`),
  asset: hex(20),
  payTo: hex(20),
  expires: fc.nat(),
  epoch: fc.nat(),
})
const one: Terms = fc.sample(terms, { numRuns: 1, seed: 7 })[0]!

test('a sealed quote opens to exactly the terms that were sealed, and travels in a header', () => {
  fc.assert(
    fc.property(terms, (some) => {
      const token = sealer.seal(some)
      expect(token).toMatch(/^[\x21-\x7e]+$/)
      expect(sealer.open(token)).toEqual(some)
    }),
  )
})

test('a quote with any single bit flipped does not open', () => {
  const token = sealer.seal(one)
  const opened: string[] = []
  for (let at = 0; at < token.length; at++) {
    for (let bit = 0; bit < 7; bit++) {
      const flipped =
        token.slice(0, at) + String.fromCharCode(token.charCodeAt(at) ^ (1 << bit)) + token.slice(at + 1)
      if (sealer.open(flipped) !== undefined) opened.push(`character ${at}, bit ${bit}`)
    }
  }
  expect(opened).toEqual([])
})

test('a quote has one spelling: nothing can be added, cut, padded or moved', () => {
  const token = sealer.seal(one)
  const parts = token.split('.')
  const spellings = [
    `${token}=`,
    `${token}.`,
    ` ${token}`,
    `${token}\n`,
    token.slice(0, -1),
    `.${token}`,
    token.replace('v1', 'V1'),
    parts.slice(1).join('.'),
    [...parts, parts[3]].join('.'),
    parts.toReversed().join('.'),
    parts.slice(0, 3).join('.'),
    `${parts.slice(0, 3).join('.')}.`,
    `${token.replaceAll('-', '+').replaceAll('_', '/')} `,
  ]
  expect(spellings.filter((text) => sealer.open(text) !== undefined)).toEqual([])
})

test('whatever is presented as a quote, opening it never throws', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(fc.base64String(), { maxLength: 5 }).map((p) => p.join('.')),
      ),
      (text) => {
        expect(sealer.open(text)).toBeUndefined()
        expect(sealer.open(`v1.${sealer.seal(one).split('.')[1]}.${text}`)).toBeUndefined()
      },
    ),
  )
})

test('a secret can be rotated: the first seals, all open, and a retired one opens nothing', async () => {
  const both = await createSealer([NEW, OLD])
  const retired = await createSealer([NEW])
  const old = sealer.seal(one)
  expect(both.open(old)).toEqual(one)
  expect(retired.open(old)).toBeUndefined()
  expect(retired.open(both.seal(one))).toEqual(one)
  expect(sealer.open(both.seal(one))).toBeUndefined()
})

test('a quote under one secret cannot be passed off as one under another', async () => {
  const both = await createSealer([NEW, OLD])
  const other = both.seal(one).split('.')
  const own = sealer.seal(one).split('.')
  expect(both.open([own[0], other[1], own[2], own[3]].join('.'))).toBeUndefined()
})

test('a sealer without a secret does not start', async () => {
  await expect(createSealer([])).rejects.toThrow('at least one secret')
})

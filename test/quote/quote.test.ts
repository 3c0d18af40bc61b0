import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Clock } from '../../src/clock.ts'
import { Refusal } from '../../src/errors.ts'
import { parseUsd, printUsd, type Rate, type Usd } from '../../src/money.ts'
import { measure } from '../../src/quote/estimate.ts'
import { createLearner } from '../../src/quote/learn.ts'
import { price } from '../../src/quote/price.ts'
import { createQuoter, type QuoterFacts } from '../../src/quote/quote.ts'
import { embeddingsOrder } from '../../src/wire/order.ts'
import { catalogOf, model, orderOf, prices, routerOf } from '../support/models.ts'

const clock: Clock = { now: () => 1_700_000_000_500, sleep: async () => {} }
const usd = (text: string) => parseUsd(text) as Usd

const usual = catalogOf(
  model('a/small'),
  model('b/large', { at: prices('10', '30', '1'), context: 100_000, maxOutput: 20_000 }),
)
const quoterOf = ({ catalog = usual, ...more }: Partial<QuoterFacts> = {}) =>
  createQuoter({
    catalog,
    router: routerOf(catalog),
    learner: createLearner(),
    clock,
    margin: 50_000n,
    defaultMaxOutput: 4_096,
    ttl: 90,
    ...more,
  })

const refusalOf = (run: () => unknown): Refusal => {
  try {
    run()
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
  throw new Error('not refused')
}

test('a quote says what was asked, who may answer, and until when it holds', () => {
  const request = orderOf({ model: 'a/small', models: ['b/large'], max_tokens: 100, n: 2 })
  const quote = quoterOf().quote(request)
  expect(quote).toMatchObject({
    id: expect.stringMatching(/^quote_[\w-]{22}$/),
    asked: 'a/small',
    digest: request.digest,
    maxOutput: 100,
    choices: 2,
    margin: 50_000n,
    expires: 1_700_000_090,
  })
  expect(quote.routes.map((route) => route.model)).toEqual(['a/small', 'b/large'])
  expect(quote.expected).toBeLessThanOrEqual(quote.ceiling)
})

test('the ceiling is that of the dearest model that may answer', () => {
  const one = quoterOf().quote(orderOf({ model: 'b/large', max_tokens: 100 }))
  const both = quoterOf().quote(orderOf({ model: 'a/small', models: ['b/large'], max_tokens: 100 }))
  expect(both.ceiling).toBe(one.ceiling)
})

test('no usage within the cap is ever billed above the quote, whoever answers and however much was cached', () => {
  const rate = fc.bigInt({ min: 0n, max: 10n ** 14n }).map((value) => value as Rate)
  const rates = fc.record({ input: rate, output: rate, cachedInput: rate, cacheWrite: rate })
  const share = fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true }))
  const text = fc.string({ maxLength: 2000 })
  fc.assert(
    fc.property(
      rates,
      rates,
      text,
      fc.integer({ min: 1, max: 1000 }),
      fc.integer({ min: 1, max: 8 }),
      share,
      share,
      share,
      (...args) => {
        const [first, second, content, cap, n, input, cached, output] = args
        const catalog = catalogOf(model('a/small', { at: first }), model('b/large', { at: second }))
        const request = orderOf({
          models: ['b/large'],
          messages: [{ role: 'user', content }],
          max_tokens: cap,
          n,
        })
        const quote = quoterOf({ catalog }).quote(request)
        const used = Math.floor(quote.input.ceiling * input)
        const usage = { input: used, cached: Math.floor(used * cached), output: Math.floor(cap * n * output) }
        for (const route of quote.routes)
          expect(price(usage, route.prices, quote.margin)).toBeLessThanOrEqual(quote.ceiling)
      },
    ),
  )
})

test('the max_tokens that fit a budget do fit, and one token more uses it up', () => {
  const rate = fc.bigInt({ min: 10n ** 7n, max: 10n ** 14n }).map((value) => value as Rate)
  fc.assert(
    fc.property(
      rate,
      rate,
      fc.bigInt({ min: 0n, max: 10n ** 6n }),
      fc.integer({ min: 1, max: 4 }),
      (input, output, budget, n) => {
        const at = { input, output, cachedInput: input, cacheWrite: input }
        const quoter = quoterOf({
          catalog: catalogOf(model('a/small', { at, maxOutput: 1_000_000, context: 2_000_000 })),
        })
        const quote = quoter.quote(orderOf({ max_tokens: 1_000_000, n }))
        const fits = quoter.fits(quote, budget as Usd)
        const cost = (tokens: number) =>
          price({ input: quote.input.ceiling, cached: 0, output: tokens * n }, at, quote.margin)
        expect(fits).toBeGreaterThanOrEqual(0)
        if (fits > 0) expect(cost(fits)).toBeLessThanOrEqual(budget)
        expect(cost(fits + 1)).toBeGreaterThanOrEqual(budget)
      },
    ),
  )
})

test('a request that may cost more than its max_price_usd is told which max_tokens would do, and they do', () => {
  const request = (max_tokens: number) => orderOf({ max_tokens, max_price_usd: '0.0005' })
  const refusal = refusalOf(() => quoterOf().quote(request(1000)))
  expect(refusal).toMatchObject({
    code: 'price_above_max',
    details: { max: '0.0005', param: 'max_price_usd' },
  })
  const fits = Number(refusal.details['fits'])
  expect(fits).toBeGreaterThan(100)
  expect(quoterOf().quote(request(fits)).ceiling).toBeLessThanOrEqual(usd('0.0005'))
  expect(refusalOf(() => quoterOf().quote(request(fits + 2))).code).toBe('price_above_max')
})

test('without max_tokens the cap is the default, less where the model or its context is smaller', () => {
  const cap = (more: Record<string, unknown>) => quoterOf().quote(orderOf(more)).maxOutput
  expect(cap({ model: 'b/large' })).toBe(4_096)
  expect(cap({ model: 'a/small' })).toBe(1_000)
  expect(cap({ model: 'b/large', models: ['a/small'] })).toBe(1_000)
  const words = (n: number) => orderOf({ messages: [{ role: 'user', content: 'word '.repeat(n) }] })
  const thousand = measure(words(1_000)).tokens
  const nearlyFull = quoterOf().quote(words(Math.floor((7_500 * 1_000) / thousand)))
  expect(nearlyFull.maxOutput).toBeLessThan(1_000)
  expect(nearlyFull.maxOutput + nearlyFull.measured.tokens + nearlyFull.measured.framing).toBe(8_000)
  expect(cap({ max_tokens: 7 })).toBe(7)
  expect(cap({ max_tokens: 7, max_completion_tokens: 5 })).toBe(5)
  expect(cap({ max_tokens: null })).toBe(1_000)
})

test('what providers report moves the next quote, never beyond the ceiling', () => {
  const learner = createLearner()
  const quoter = quoterOf({ learner })
  const request = orderOf({
    messages: [{ role: 'user', content: 'The quick brown fox. '.repeat(100) }],
    max_tokens: 500,
  })
  const before = quoter.quote(request)
  for (let i = 0; i < 200; i++)
    learner.observe('a/small', { estimated: 100, input: 160, output: 480, textOnly: true })
  const after = quoter.quote(request)
  expect(after.input.expected).toBeGreaterThan(before.input.expected * 1.4)
  expect(after.expected).toBeGreaterThan(before.expected)
  expect(after.expected).toBeLessThanOrEqual(after.ceiling)
  expect(printUsd(after.ceiling)).toMatch(/^0\.0\d+$/)
})

test('many texts to embed are each read by themselves: only one that is too long is too long, and all are paid for', () => {
  const quoter = quoterOf({ catalog: catalogOf(model('e/vectors', { kind: 'embedding', context: 1_000 })) })
  const quoteFor = (input: string[] | number[] | number[][]) =>
    quoter.quote(embeddingsOrder({ model: 'e/vectors', input }))
  const word = 'hello '.repeat(300)
  const one = quoteFor([word])
  const many = quoteFor(Array.from({ length: 50 }, () => word))
  expect(many.input.expected).toBeGreaterThan(one.input.expected * 45)
  expect(many.ceiling).toBeGreaterThan(one.ceiling)
  const tokens = (count: number) => Array.from({ length: count }, (_, i) => i)
  quoteFor([tokens(900), tokens(900)])
  const tooLong = [['hello '.repeat(3_000), 'short'], tokens(1_001), [tokens(5), tokens(1_001)]] as const
  for (const input of tooLong)
    expect(refusalOf(() => quoteFor(input as unknown as number[][])).code).toBe('context_length_exceeded')
})

import { expect, test } from 'vitest'
import type { Model } from '../../src/catalog/catalog.ts'
import { Refusal } from '../../src/errors.ts'
import { needed } from '../../src/route/needs.ts'
import { type PlanFacts, plan } from '../../src/route/plan.ts'
import { embeddingsOrder } from '../../src/wire/order.ts'
import { catalogOf, model, orderOf, prices } from '../support/models.ts'
import { everyField } from '../support/requests.ts'

const host = (provider: string, input: string, output: string, cached = input) => ({
  provider,
  model: `there-${provider}`,
  prices: prices(input, output, cached),
})
const three: Model = model('a/small', {
  hosts: [host('dear', '3', '9'), host('cheap', '1', '2'), host('middle', '2', '4')],
})
const large: Model = model('b/large', {
  hosts: [host('cheap', '10', '30')],
  context: 128_000,
  maxOutput: 16_000,
})
const seeing: Model = model('c/seeing', {
  hosts: [host('eyes', '0.5', '0.5')],
  capabilities: new Set(['vision'] as const),
})
const blind: Model = model('d/blind', { hosts: [host('dark', '0.1', '0.1')], capabilities: new Set<never>() })
const catalog = catalogOf(three, large, seeing, blind)

const needs = {
  kind: 'chat' as const,
  input: 10,
  output: undefined as number | undefined,
  choices: 1,
  expected: 100,
  writes: false,
  features: [],
  capabilities: [],
}
const hosts: PlanFacts['hosts'] = {
  lacks: () => new Set(),
  resting: () => false,
  failing: () => 0,
  expectMs: () => undefined,
  cached: () => 0,
}
const planOf = (
  more: Record<string, unknown>,
  facts: Partial<Omit<PlanFacts, 'hosts'>> = {},
  here: Partial<PlanFacts['hosts']> = {},
) => {
  const order = orderOf(more)
  const own = { ...needs, output: order.request.max_tokens ?? undefined, ...needed(order) }
  return plan({
    order,
    needs: own,
    catalog,
    usual: 'balanced',
    judged: { chance: () => 0.9, general: () => 0, output: () => 100 },
    ...facts,
    hosts: { ...hosts, ...here },
  })
}
const planned = (...args: Parameters<typeof planOf>): string[] | string => {
  try {
    return planOf(...args).routes.map((route) => `${route.model}@${route.provider}`)
  } catch (error) {
    if (error instanceof Refusal) return `${error.code} ${error.details['param']}`
    throw error
  }
}
const at = (...providers: string[]) => providers.map((one) => `a/small@${one}`)

test.each([
  ['cheapest host first', {}, at('cheap', 'middle', 'dear')],
  [
    'the order that was asked for, then the others by price',
    { provider: { order: ['dear', 'nobody'] } },
    at('dear', 'cheap', 'middle'),
  ],
  ['only these', { provider: { only: ['dear', 'middle'] } }, at('middle', 'dear')],
  ['not these', { provider: { ignore: ['cheap'] } }, at('middle', 'dear')],
  ['only and ignore together', { provider: { only: ['dear', 'cheap'], ignore: ['cheap'] } }, at('dear')],
  ['no fallbacks', { provider: { allow_fallbacks: false } }, at('cheap')],
  ['no fallbacks from the order', { provider: { order: ['middle'], allow_fallbacks: false } }, at('middle')],
  ['sorted by price', { provider: { sort: 'price' } }, at('cheap', 'middle', 'dear')],
  ['input not dearer than', { provider: { max_price: { prompt: '2' } } }, at('cheap', 'middle')],
  ['output not dearer than', { provider: { max_price: { completion: 4 } } }, at('cheap', 'middle')],
  ['nobody is that cheap', { provider: { max_price: { prompt: '0.01' } } }, 'unsupported_parameter provider'],
  [
    'a limit that is not a price',
    { provider: { max_price: { prompt: '$2' } } },
    'invalid_request provider.max_price',
  ],
  [
    'a limit that is not finite',
    { provider: { max_price: { prompt: 1e30 } } },
    'invalid_request provider.max_price',
  ],
  ['only a stranger', { provider: { only: ['stranger'] } }, 'unsupported_parameter provider'],
  ['the short name', { model: 'small' }, at('cheap', 'middle', 'dear')],
  ['the suffix for the cheapest', { model: 'a/small:cost' }, at('cheap', 'middle', 'dear')],
  [
    'fallback models after the first',
    { models: ['b/large'] },
    [...at('cheap', 'middle', 'dear'), 'b/large@cheap'],
  ],
  [
    'a dear model first, if so asked',
    { model: 'b/large', models: ['a/small'] },
    ['b/large@cheap', ...at('cheap', 'middle', 'dear')],
  ],
  ['the same model twice is one', { models: ['small', 'a/small'] }, at('cheap', 'middle', 'dear')],
  ['an unknown model', { model: 'nope' }, 'model_not_found model'],
  ['an unknown fallback', { models: ['nope'] }, 'model_not_found models'],
  ['an unknown suffix', { model: 'a/small:fast' }, 'model_not_found model'],
  ['a name that every object has', { model: 'constructor' }, 'model_not_found model'],
  ['another such name', { model: '__proto__' }, 'model_not_found model'],
  ['more output than it writes', { max_tokens: 1001 }, 'unsupported_parameter max_tokens'],
  [
    'more output than it writes, but a fallback does',
    { max_tokens: 1001, models: ['b/large'] },
    ['b/large@cheap'],
  ],
])('%s', (_, more, expected) => {
  expect(planned(more)).toEqual(expected)
})

test('auto takes the cheapest of equally good models that can do what the request needs', () => {
  expect(planned({ model: 'auto' })[0]).toBe('d/blind@dark')
  expect(planned({ model: 'auto', messages: everyField.messages })[0]).toBe('c/seeing@eyes')
  expect(planned({ model: 'auto:cost', tools: everyField.tools })[0]).toBe('a/small@cheap')
  expect(planned({ model: 'auto', max_tokens: 5000 })).toEqual(['b/large@cheap'])
})

test('a model that cannot do what is needed is named as the reason', () => {
  expect(planned({ model: 'd/blind', tools: everyField.tools })).toBe('unsupported_parameter model')
  expect(
    planned({ model: 'd/blind', models: ['c/seeing'], response_format: everyField.response_format }),
  ).toBe('unsupported_parameter model')
})

test('input and output together must fit the context', () => {
  const with_ = (input: number, output: number | undefined) =>
    planned({}, { needs: { ...needs, input, output } })
  expect(with_(7999, undefined)).toEqual(at('cheap', 'middle', 'dear'))
  expect(with_(8000, undefined)).toBe('context_length_exceeded messages')
  expect(with_(7000, 1000)).toEqual(at('cheap', 'middle', 'dear'))
  expect(with_(7001, 1000)).toBe('context_length_exceeded messages')
})

test('a host that rests is tried last, unless the caller gave the order', () => {
  const resting = (provider: string) => provider === 'cheap'
  expect(planned({}, {}, { resting })).toEqual(at('middle', 'dear', 'cheap'))
  expect(planned({ provider: { order: ['cheap'] } }, {}, { resting })).toEqual(at('cheap', 'middle', 'dear'))
})

test('a plan is at most six routes, so that a quote fits into a header', () => {
  const many = model('a/small', {
    hosts: Array.from({ length: 20 }, (_, i) => host(`p${i}`, String(i + 1), '1')),
  })
  expect(planned({}, { catalog: catalogOf(many) })).toEqual(at('p0', 'p1', 'p2', 'p3', 'p4', 'p5'))
})

test('a short name that two models share names neither', () => {
  const twins = catalogOf(three, model('b/small'))
  expect(planned({ model: 'small' }, { catalog: twins })).toBe('model_not_found model')
  expect(planned({ model: 'b/small' }, { catalog: twins })).toEqual(['b/small@up'])
})

test('needs are read from the request', () => {
  const capabilities = (more: Record<string, unknown> = {}) => needed(orderOf(more)).capabilities
  expect(capabilities()).toEqual([])
  expect(capabilities({ tools: [] })).toEqual([])
  expect(capabilities({ functions: [{ name: 'f' }] })).toEqual(['tools'])
  expect(capabilities({ response_format: { type: 'json_object' } })).toEqual([])
  expect(capabilities({ ...everyField, model: 'a/small' })).toEqual([
    'tools',
    'vision',
    'json_schema',
    'reasoning',
  ])
})

test('a host that lacks what is asked is not asked, and the next one that can is', () => {
  const lacks = (provider: string) => new Set(provider === 'cheap' ? (['seed'] as const) : [])
  expect(planned({ seed: 1 }, {}, { lacks })).toEqual(at('middle', 'dear'))
  expect(planned({}, {}, { lacks })).toEqual(at('cheap', 'middle', 'dear'))
  expect(planned({ seed: 1 }, {}, { lacks: () => new Set(['seed']) })).toBe('unsupported_parameter model')
})

test('a host goes by its own limits and abilities before those of its model', () => {
  const one = model('a/small', {
    hosts: [
      { ...host('short', '1', '1'), context: 100, maxOutput: 50 },
      { ...host('plain', '2', '2'), capabilities: new Set() },
      { ...host('able', '3', '3'), capabilities: new Set(['tools']) },
    ],
  })
  const own = { catalog: catalogOf(one) }
  expect(planned({ max_tokens: 60 }, own)).toEqual(at('plain', 'able'))
  expect(planned({ tools: everyField.tools }, own)).toEqual(at('short', 'able'))
})

test('the strategy is that of the name, else of the body, else the usual one', () => {
  const expectMs = (provider: string) => (provider === 'dear' ? 500 : 20_000)
  const failing = (provider: string) => (provider === 'middle' ? 0 : 0.3)
  const first = (more: Record<string, unknown>, facts: Partial<PlanFacts> = {}) => {
    const { strategy, routes } = planOf(more, facts, { expectMs, failing })
    return `${strategy} ${routes[0]!.provider}`
  }
  expect(first({ model: 'a/small:cost' })).toBe('cost cheap')
  expect(first({ model: 'a/small:latency' })).toBe('latency dear')
  expect(first({ model: 'a/small:availability' })).toBe('availability middle')
  expect(first({ strategy: 'latency' })).toBe('latency dear')
  expect(first({ provider: { sort: 'throughput' } })).toBe('latency dear')
  expect(first({ provider: { sort: 'price' } }, { usual: 'latency' })).toBe('cost cheap')
  expect(first({}, { usual: 'availability' })).toBe('availability middle')
  expect(first({ model: 'a/small:cost', strategy: 'latency' })).toBe('cost cheap')
})

test('who is known to be slower than max_latency_ms is not asked', () => {
  const expectMs = (provider: string) => (provider === 'cheap' ? 9_000 : undefined)
  expect(planned({ max_latency_ms: 5_000 }, {}, { expectMs })).toEqual(at('middle', 'dear'))
  expect(planned({ max_latency_ms: 5_000 }, {}, { expectMs: () => 9_000 })).toBe(
    'unsupported_parameter max_latency_ms',
  )
})

test('a call stays where its prompt is cached, as long as that is worth more than the difference', () => {
  const two = model('a/small', { hosts: [host('cheap', '1', '2', '1'), host('kept', '1.5', '2', '0.15')] })
  const own = (cached: number) =>
    planned(
      {},
      { catalog: catalogOf(two), needs: { ...needs, input: 5_000 }, usual: 'cost' },
      { cached: (provider) => (provider === 'kept' ? cached : 0) },
    )
  expect(own(0)).toEqual(at('cheap', 'kept'))
  expect(own(1_200)).toEqual(at('cheap', 'kept'))
  expect(own(4_000)).toEqual(at('kept', 'cheap'))
})

test('what auto falls back to is at another provider first, and costs little more', () => {
  const good = model('a/good', { hosts: [host('one', '1', '1'), host('two', '1.5', '1.5')] })
  const other = model('b/other', { hosts: [host('one', '1.1', '1.1')] })
  const dear = model('c/dear', { hosts: [host('three', '90', '90')] })
  expect(planned({ model: 'auto:cost' }, { catalog: catalogOf(good, other, dear) })).toEqual([
    'a/good@one',
    'a/good@two',
    'b/other@one',
  ])
  expect(planned({ model: 'auto:cost' }, { catalog: catalogOf(other, dear) })).toEqual([
    'b/other@one',
    'c/dear@three',
  ])
})

test('embeddings and answers are made by models of their kind', () => {
  const vectors = model('e/vectors', { kind: 'embedding' })
  const both = { catalog: catalogOf(three, vectors) }
  const order = embeddingsOrder({ model: 'e/vectors', input: 'hello' })
  const own = { order, needs: { ...needs, output: 0, ...needed(order) } }
  expect(planned({}, { ...both, ...own })).toEqual(['e/vectors@up'])
  expect(planned({ model: 'e/vectors' }, both)).toBe('unsupported_parameter model')
})

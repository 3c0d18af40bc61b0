import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limitOf, mostTelling, nextOf, otherOf, type Standing } from '../../src/call/retries.ts'
import type { UpstreamFault } from '../../src/providers/provider.ts'
import { prices } from '../support/models.ts'

const standing = (name: string, more: Partial<Standing> = {}): Standing => {
  const [model = '', provider = ''] = name.split('@')
  return {
    route: { model, provider, hostModel: model, prices: prices('1', '2') },
    asked: 0,
    resting: false,
    barredMs: 0,
    full: false,
    spare: true,
    ...more,
  }
}
const failed = (fault: UpstreamFault, more: Partial<Standing> = {}): Partial<Standing> => ({
  asked: 1,
  fault,
  ...more,
})
const LIMITS = { strategy: 'balanced', leftMs: 30_000, waitedMs: 0, roll: 1 } as const

/** Such as `a@one`, `a@one after 250` or `stop`. */
const next = (standings: Standing[], limits: Partial<Parameters<typeof nextOf>[1]> = {}): string => {
  const said = nextOf(standings, { ...LIMITS, ...limits })
  if (said.do === 'stop') return 'stop'
  const { route, waitMs } = said
  return `${route.model}@${route.provider}${waitMs > 0 ? ` after ${waitMs}` : ''}`
}

test.each<[string, Standing[], string]>([
  ['the first is asked first', [standing('a@one'), standing('a@two')], 'a@one'],
  [
    'after a failure the next host of the model is asked at once',
    [standing('a@one', failed('unavailable')), standing('a@two')],
    'a@two',
  ],
  [
    'a host that is rate limited is left for the next one',
    [standing('a@one', failed('rate_limited', { barredMs: 1_000, resting: true })), standing('a@two')],
    'a@two',
  ],
  ['a host that rests comes last', [standing('a@one', { resting: true }), standing('a@two')], 'a@two'],
  [
    'when all others failed one that rests is better than nobody',
    [standing('a@one', { resting: true }), standing('a@two', failed('unavailable'))],
    'a@one',
  ],
  [
    'but not when its budget is spent',
    [standing('a@one', { resting: true, spare: false }), standing('a@two', failed('missing'))],
    'stop',
  ],
  [
    'a provider without a place is passed over',
    [standing('a@one', { full: true }), standing('a@two')],
    'a@two',
  ],
  [
    'a rejected request is asked nowhere else',
    [standing('a@one', failed('rejected')), standing('b@two')],
    'stop',
  ],
  ['nor is one that was filtered', [standing('a@one', failed('filtered')), standing('b@two')], 'stop'],
  [
    'what was too long for a model is not sent to its other hosts',
    [standing('a@one', failed('too_long')), standing('a@two'), standing('b@two')],
    'b@two',
  ],
  [
    'and to nobody when there is no other model',
    [standing('a@one', failed('too_long')), standing('a@two')],
    'stop',
  ],
  ['a host that cannot take this request is not asked twice', [standing('a@one', failed('unfit'))], 'stop'],
  ['a host without the model is not asked twice', [standing('a@one', failed('missing'))], 'stop'],
  ['a host that refuses our key is not asked twice', [standing('a@one', failed('unauthorized'))], 'stop'],
  ['a lone host is asked once more', [standing('a@one', failed('unavailable'))], 'a@one after 250'],
  ['and not a third time', [standing('a@one', failed('unavailable', { asked: 2 }))], 'stop'],
  [
    'a lone host that asks for a second gets exactly that',
    [standing('a@one', failed('rate_limited', { barredMs: 1_000, resting: true }))],
    'a@one after 1000',
  ],
  [
    'one that asks for more than can be waited is not asked',
    [standing('a@one', failed('rate_limited', { barredMs: 6_000, resting: true }))],
    'stop',
  ],
  [
    'a lone host that is rate limited and says no time is given some',
    [standing('a@one', failed('rate_limited'))],
    'a@one after 500',
  ],
  [
    'who comes while a lone host is to be left alone waits a little longer than that',
    [standing('a@one', { barredMs: 1_000, resting: true })],
    'a@one after 1250',
  ],
  [
    'when all hosts failed the one that can be asked first is asked again',
    [
      standing('a@one', failed('rate_limited', { barredMs: 2_000 })),
      standing('a@two', failed('unavailable')),
    ],
    'a@two after 250',
  ],
  [
    'the retry budget of a provider is kept',
    [standing('a@one', failed('unavailable', { spare: false }))],
    'stop',
  ],
  [
    'the model that was asked for is tried once more before another has to answer',
    [standing('a@one', failed('unavailable')), standing('b@two')],
    'a@one after 250',
  ],
  [
    'and waited for when it asks for a moment',
    [standing('a@one', failed('rate_limited', { barredMs: 2_000, resting: true })), standing('b@two')],
    'a@one after 2000',
  ],
  [
    'but not for longer',
    [standing('a@one', failed('rate_limited', { barredMs: 3_000, resting: true })), standing('b@two')],
    'b@two',
  ],
  ['but not when it was silent', [standing('a@one', failed('timeout')), standing('b@two')], 'b@two'],
  [
    'nor when it rests by now',
    [standing('a@one', failed('unavailable', { resting: true })), standing('b@two')],
    'b@two',
  ],
  ['nor a third time', [standing('a@one', failed('unavailable', { asked: 2 })), standing('b@two')], 'b@two'],
])('%s', (_, standings, expected) => {
  expect(next(standings)).toBe(expected)
})

test('the next model is asked at once when time or availability is what matters', () => {
  const standings = [standing('a@one', failed('unavailable')), standing('b@two')]
  expect(next(standings, { strategy: 'latency' })).toBe('b@two')
  expect(next(standings, { strategy: 'availability' })).toBe('b@two')
  expect(next(standings, { strategy: 'cost' })).toBe('a@one after 250')
})

test('a backoff is any part of its length, doubles, and never outlasts the patience of the call', () => {
  const one = [standing('a@one', failed('unavailable'))]
  expect(next(one, { roll: 0.5 })).toBe('a@one after 125')
  expect(next(one, { roll: 0 })).toBe('a@one')
  expect(next(one, { leftMs: 250 })).toBe('stop')
  expect(next(one, { waitedMs: 4_900 })).toBe('stop')
  const second = [
    standing('a@one', failed('unavailable', { asked: 2 })),
    standing('a@two', failed('unavailable')),
  ]
  expect(next(second)).toBe('a@two after 500')
})

test('however hosts fail, a call asks at most eight times, none more than twice, never before a host wants to be asked', () => {
  const fault = fc.constantFrom<UpstreamFault>(
    'too_long',
    'unfit',
    'missing',
    'rate_limited',
    'unauthorized',
    'unavailable',
    'timeout',
    'malformed',
    'empty',
  )
  const host = fc.record({
    name: fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom('one', 'two', 'three')),
    resting: fc.boolean(),
    barredMs: fc.constantFrom(0, 0, 500, 3_000, 60_000),
    full: fc.boolean(),
    spare: fc.boolean(),
    faults: fc.array(fault, { minLength: 3, maxLength: 3 }),
  })
  fc.assert(
    fc.property(
      fc.array(host, { maxLength: 6 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (hosts, roll) => {
        const standings = hosts.map(({ name, faults: _, ...more }) => standing(name.join('@'), more))
        let leftMs = 30_000
        let attempts = 0
        for (;;) {
          const said = nextOf(standings, { ...LIMITS, leftMs, roll })
          if (said.do === 'stop') break
          const i = standings.findIndex((one) => one.route === said.route)
          const now = standings[i]!
          expect(said.waitMs).toBeGreaterThanOrEqual(now.barredMs)
          expect(said.waitMs).toBeLessThan(leftMs)
          expect(now.full).toBe(false)
          if (said.extra) expect(now.spare).toBe(true)
          const again = hosts[i]!.faults[now.asked]!
          standings[i] = { ...now, asked: now.asked + 1, fault: again, barredMs: 0 }
          leftMs -= said.waitMs
          attempts++
        }
        expect(attempts).toBeLessThanOrEqual(8)
        expect(standings.every((one) => one.asked <= 2)).toBe(true)
      },
    ),
    { numRuns: 2_000 },
  )
})

test('beside a host another provider is preferred to another host of the same one', () => {
  const all = [standing('a@one'), standing('b@one'), standing('a@two')]
  expect(otherOf(all, all[0]!.route)?.route.provider).toBe('two')
  expect(otherOf(all.slice(0, 2), all[0]!.route)?.route.model).toBe('b')
  expect(otherOf([all[0]!, standing('a@two', { resting: true })], all[0]!.route)).toBeUndefined()
})

const limits = { leftMs: 30_000, elsewhere: true, slowMs: undefined, input: 0, stream: true }
test.each<[string, Partial<Parameters<typeof limitOf>[0]>, number]>([
  ['all the patience there is when nobody else can be asked', { elsewhere: false }, 30_000],
  ['twelve seconds while its pace is unknown', {}, 12_000],
  ['half of the patience at most', { leftMs: 10_000 }, 5_000],
  ['three times what it takes when it is slow', { slowMs: 1_500 }, 4_500],
  ['never under two seconds', { slowMs: 50 }, 2_000],
  ['longer for a long prompt', { slowMs: 50, input: 20_000 }, 6_000],
  ['half of the patience for an answer in one piece', { stream: false, leftMs: 150_000 }, 75_000],
])('a host gets %s', (_, more, expected) => {
  expect(limitOf({ ...limits, ...more })).toBe(expected)
})

test('a caller is told what is worth a later try, not that the last host was the wrong one', () => {
  const told = (...faults: UpstreamFault[]) => mostTelling(faults.map((fault) => ({ fault })))?.fault
  expect(told('unavailable', 'unfit')).toBe('unavailable')
  expect(told('rate_limited', 'missing', 'unavailable')).toBe('rate_limited')
  expect(told('too_long', 'unfit')).toBe('too_long')
  expect(told('unavailable', 'filtered')).toBe('filtered')
  expect(told()).toBeUndefined()
})

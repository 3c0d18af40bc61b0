import { getEventListeners } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { createGates } from '../../src/admit/gate.ts'
import type { Attempt } from '../../src/call/attempt.ts'
import type { Deps } from '../../src/call/deps.ts'
import { dispatch } from '../../src/call/dispatch.ts'
import { systemClock as clock } from '../../src/clock.ts'
import { Refusal } from '../../src/errors.ts'
import type { Call } from '../../src/ledger/call.ts'
import { quietLog as log } from '../../src/log.ts'
import { type Answer, type Ask, UpstreamError, type UpstreamFault } from '../../src/providers/provider.ts'
import type { Terms } from '../../src/quote/seal.ts'
import { createRetryBudget } from '../../src/route/budget.ts'
import { createHealth } from '../../src/route/health.ts'
import type { Strategy } from '../../src/route/strategies.ts'
import { createTempo } from '../../src/route/tempo.ts'
import { orderOf } from '../support/models.ts'

type Behaviour = (ask: Ask, time: number) => Promise<Answer>
type Host = { asks: { at: number; endedAt?: number }[]; does: Behaviour }

const words = (text: string): readonly string[] => [
  JSON.stringify({ choices: [{ index: 0, delta: { content: text }, finish_reason: 'stop' }] }),
  '[DONE]',
]
const says =
  (text: string, afterMs = 0): Behaviour =>
  async ({ body, signal }) => {
    if (!body.stream) {
      await clock.sleep(afterMs, signal)
      signal.throwIfAborted()
      const answer = { choices: [{ message: { content: text }, finish_reason: 'stop' }] }
      return { kind: 'json', text: JSON.stringify(answer), body: answer }
    }
    const events = async function* () {
      await clock.sleep(afterMs, signal)
      signal.throwIfAborted()
      yield words(text)
    }
    return { kind: 'stream', events: events() }
  }
const fails =
  (fault: UpstreamFault, retryAfterMs?: number): Behaviour =>
  async () => {
    throw new UpstreamError(fault, `scripted ${fault}`, retryAfterMs)
  }
const silent = says('too late', 60_000)
const inTurn =
  (...turns: Behaviour[]): Behaviour =>
  (ask, time) =>
    turns[Math.min(time, turns.length - 1)]!(ask, time)

const open: AbortController[] = []
afterEach(() => {
  for (const one of open.splice(0)) one.abort()
})

/** A router of hosts that do what they are told; routes are such as `a@one`. */
const start = ({ firstByteMs = 10_000, most = 512 } = {}) => {
  const hosts = new Map<string, Host>()
  const released: string[] = []
  const gates = createGates({ clock, most: () => most, start: most })
  const deps = {
    ledger: {
      post: async (move: { type: string; why: string }) => {
        if (move.type === 'release') released.push(move.why)
        return { ok: true, call: { settlement: { at: 'none' } } }
      },
    },
    probe: () => {},
    health: createHealth({ clock }),
    tempo: createTempo({ clock }),
    retries: createRetryBudget({ clock }),
    gates,
    clock,
    log,
    firstByteMs,
    provider: (id: string) => ({
      id,
      lacks: () => new Set(),
      close: async () => {},
      ask: async (ask: Ask) => {
        const host = hosts.get(id)!
        const entry: Host['asks'][number] = { at: Date.now() }
        ask.signal.addEventListener('abort', () => {
          entry.endedAt = Date.now()
        })
        host.asks.push(entry)
        return host.does(ask, host.asks.length - 1)
      },
    }),
  } as unknown as Deps
  const host = (id: string, does: Behaviour): Host => {
    const made: Host = { asks: [], does }
    hosts.set(id, made)
    return made
  }
  const call = async (
    routes: readonly string[],
    { strategy = 'balanced', stream = true }: { strategy?: Strategy; stream?: boolean } = {},
  ) => {
    const client = new AbortController()
    open.push(client)
    const terms = {
      routes: routes.map((name) => {
        const [model, provider] = name.split('@')
        return { model, provider, hostModel: model }
      }),
      strategy,
      input: 10,
      maxOutput: 100,
      choices: 1,
    } as unknown as Terms
    const held = { id: 'call_test', settleFirst: false, signed: 0n } as Call
    const asked = Date.now()
    const attempt: Attempt | Refusal = await dispatch(
      deps,
      held,
      terms,
      orderOf({ stream }),
      client.signal,
    ).catch((error) => {
      if (error instanceof Refusal) return error
      throw error
    })
    const ms = Date.now() - asked
    return { attempt, client, ms }
  }
  return { deps, host, call, released, gates }
}

const who = (attempt: Attempt | Refusal): string =>
  attempt instanceof Refusal
    ? attempt.code
    : `${attempt.route.model}@${attempt.route.provider} in ${attempt.attempts}`

test.each([true, false])(
  'the first host that answers is the answer, in as many attempts as it took (stream: %s)',
  async (stream) => {
    const { host, call } = start()
    host('one', fails('unavailable'))
    host('two', says('hello'))
    const { attempt } = await call(['a@one', 'a@two'], { stream })
    expect(who(attempt)).toBe('a@two in 2')
  },
)

test.each<[UpstreamFault, string]>([
  ['rejected', 'upstream_rejected'],
  ['filtered', 'upstream_filtered'],
])('what is %s is asked nowhere else', async (fault, code) => {
  const { deps, host, call, released } = start()
  const [one, two] = [host('one', fails(fault)), host('two', says('hello'))]
  const { attempt } = await call(['a@one', 'b@two'])
  // The host is well: it is the request that is not.
  expect(deps.health.failing('one', 'a')).toBe(0)
  expect([who(attempt), one.asks.length, two.asks.length, released]).toEqual([code, 1, 0, [fault]])
})

test('what is too long for a model goes to another one, and to none of its other hosts', async () => {
  const { host, call } = start()
  host('one', fails('too_long'))
  const two = host('two', says('hello'))
  host('three', says('hello'))
  expect(who((await call(['a@one', 'a@two', 'b@three'])).attempt)).toBe('b@three in 2')
  expect(two.asks).toEqual([])
  expect(who((await call(['a@one', 'a@two'])).attempt)).toBe('upstream_too_long')
})

test('a fallback that does not take the request does not hide why it was asked', async () => {
  const { host, call } = start()
  host('one', fails('unavailable'))
  host('two', fails('unfit'))
  const { attempt } = await call(['a@one', 'b@two'])
  expect((attempt as Refusal).details).toMatchObject({ why: 'unavailable' })
})

test('an answer of which the filter left nothing is told as filtered, not asked again', async () => {
  const { host, call } = start()
  const choices = [{ index: 0, delta: {}, message: { content: null }, finish_reason: 'content_filter' }]
  const events = async function* () {
    yield [JSON.stringify({ choices }), '[DONE]']
  }
  const one = host('one', async ({ body }) =>
    body.stream
      ? { kind: 'stream', events: events() }
      : { kind: 'json', text: JSON.stringify({ choices }), body: { choices } },
  )
  for (const stream of [true, false])
    expect(who((await call(['a@one', 'a@one'], { stream })).attempt)).toBe('upstream_filtered')
  expect(one.asks.length).toBe(2)
})

test('a lone host that asks for a moment is given exactly that', async () => {
  const { host, call } = start()
  const one = host('one', inTurn(fails('rate_limited', 300), says('hello')))
  expect(who((await call(['a@one'])).attempt)).toBe('a@one in 2')
  const wait = one.asks[1]!.at - one.asks[0]!.at
  expect(wait).toBeGreaterThanOrEqual(300)
  expect(wait).toBeLessThan(600)
})

test('calls that come meanwhile wait as well, and a host that always refuses is never hammered', async () => {
  const { host, call } = start()
  const one = host('one', fails('rate_limited', 200))
  const answers = await Promise.all(
    Array.from({ length: 40 }, async (_, i) => {
      await clock.sleep(i * 10)
      return call(['a@one'])
    }),
  )
  expect(new Set(answers.map(({ attempt }) => who(attempt)))).toEqual(new Set(['upstream_busy']))
  const gaps = one.asks.slice(1).map(({ at }, i) => at - one.asks[i]!.at)
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(195)
  const later = await call(['a@one'])
  expect((later.attempt as Refusal).details).toMatchObject({ retryAfter: 1 })
})

test('a host that asks for a minute is left alone, and its caller is told so', async () => {
  const { host, call } = start()
  const one = host('one', fails('rate_limited', 60_000))
  for (let i = 0; i < 3; i++)
    expect((await call(['a@one'])).attempt).toMatchObject({
      code: 'upstream_busy',
      details: { retryAfter: 60 },
    })
  expect(one.asks.length).toBe(1)
})

test('in an outage providers are asked little more often than there are calls, and calls fail at once', async () => {
  const { host, call } = start()
  const one = host('one', fails('unavailable'))
  const answers = await Promise.all(Array.from({ length: 200 }, () => call(['a@one'])))
  expect(answers.every(({ attempt }) => attempt instanceof Refusal)).toBe(true)
  expect(one.asks.length).toBeLessThanOrEqual(200 * 1.2 + 10)
  const before = one.asks.length
  const second = await Promise.all(Array.from({ length: 200 }, () => call(['a@one'])))
  expect(one.asks.length - before).toBeLessThanOrEqual(60)
  expect(new Set(second.map(({ attempt }) => who(attempt)))).toContain('upstream_busy')
})

test('a host that came back is asked by one call first, then by all', async () => {
  const { host, call } = start()
  const one = host('one', fails('unavailable'))
  host('two', says('hello'))
  for (let i = 0; i < 3; i++) await call(['a@one', 'a@two'])
  const before = one.asks.length
  expect(before).toBe(2)
  one.does = says('back', 200)
  await clock.sleep(550)
  const during = await Promise.all(Array.from({ length: 5 }, () => call(['a@one', 'a@two'])))
  expect(one.asks.length - before).toBe(1)
  expect(during.map(({ attempt }) => who(attempt)).toSorted()).toEqual([
    'a@one in 1',
    ...Array.from({ length: 4 }, () => 'a@two in 1'),
  ])
  expect(who((await call(['a@one', 'a@two'])).attempt)).toBe('a@one in 1')
})

test('a silent host is left for the next one long before the patience of the caller ends', async () => {
  const { host, call } = start({ firstByteMs: 600 })
  const one = host('one', silent)
  host('two', says('hello'))
  const { attempt, ms } = await call(['a@one', 'a@two'])
  expect(who(attempt)).toBe('a@two in 2')
  expect(ms).toBeLessThan(500)
  expect(one.asks[0]!.endedAt).toBeDefined()
})

test('the patience is that of the whole call, however many hosts are silent', async () => {
  const { host, call } = start({ firstByteMs: 500 })
  for (const name of ['one', 'two', 'three']) host(name, silent)
  const { attempt, ms } = await call(['a@one', 'a@two', 'b@three'])
  expect(who(attempt)).toBe('upstream_timeout')
  expect(ms).toBeLessThan(800)
})

test('a host that is known to be quick is not waited for as long', async () => {
  const { deps, host, call } = start({ firstByteMs: 20_000 })
  for (let i = 0; i < 20; i++) deps.tempo.began('one', 'a', 100)
  host('one', silent)
  host('two', says('hello'))
  const { ms } = await call(['a@one', 'a@two'])
  expect(ms).toBeGreaterThanOrEqual(1_990)
  expect(ms).toBeLessThan(2_500)
})

test('for a caller in a hurry a late host gets another beside it, and is stopped within a second when that one answers', async () => {
  const { deps, host, call, gates } = start()
  for (let i = 0; i < 20; i++) deps.tempo.began('one', 'a', 50)
  const [one, two] = [host('one', silent), host('two', says('hello'))]
  const { attempt, ms } = await call(['a@one', 'b@two'], { strategy: 'latency' })
  expect(who(attempt)).toBe('b@two in 2')
  expect(ms).toBeLessThan(400)
  await expect.poll(() => one.asks[0]!.endedAt).toBeDefined()
  expect(one.asks[0]!.endedAt! - two.asks[0]!.at).toBeLessThan(1_000)
  await expect.poll(() => gates.states()['one']!.inFlight).toBe(0)
  expect(deps.health.failing('one', 'a')).toBe(0)
  expect(two.asks[0]!.endedAt).toBeUndefined()
  ;(attempt as Attempt).abort()
  expect(gates.states()['two']!.inFlight).toBe(0)
})

test('a caller in no hurry gets one host at a time, and one in a hurry too while it is in time', async () => {
  const { deps, host, call } = start()
  for (let i = 0; i < 20; i++) deps.tempo.began('one', 'a', 50)
  host('one', says('hello', 200))
  const two = host('two', says('hello'))
  expect(who((await call(['a@one', 'b@two'])).attempt)).toBe('a@one in 1')
  host('one', says('hello'))
  expect(who((await call(['a@one', 'b@two'], { strategy: 'latency' })).attempt)).toBe('a@one in 1')
  expect(two.asks).toEqual([])
})

test('only one host more is asked beside a late one', async () => {
  const { deps, host, call } = start({ firstByteMs: 1_200 })
  for (const name of ['one', 'two', 'three']) for (let i = 0; i < 20; i++) deps.tempo.began(name, 'a', 10)
  const hosts = ['one', 'two', 'three'].map((name) => host(name, silent))
  const { attempt } = await call(['a@one', 'a@two', 'a@three'], { strategy: 'latency' })
  expect(who(attempt)).toBe('upstream_timeout')
  const [one, two, three] = hosts.map(({ asks }) => asks[0]!.at)
  expect(two! - one!).toBeLessThan(200)
  expect(three! - one!).toBeGreaterThanOrEqual(500)
})

test.each([true, false])(
  'nothing listens to a caller any more when the answer has ended (stream: %s)',
  async (stream) => {
    const { host, call } = start()
    host('one', fails('unavailable'))
    host('two', says('hello'))
    for (const strategy of ['balanced', 'latency'] as const) {
      const { attempt, client } = await call(['a@one', 'a@two'], { stream, strategy })
      ;(attempt as Attempt).abort()
      expect(getEventListeners(client.signal, 'abort')).toEqual([])
    }
    const { client } = await call(['a@one'], { stream })
    expect(getEventListeners(client.signal, 'abort')).toEqual([])
  },
)

test('a provider without a place is passed over, and when none has one the caller is told so', async () => {
  const { host, call } = start({ most: 1 })
  const one = host('one', says('hello', 400))
  host('two', says('hello'))
  const first = call(['a@one'])
  await expect.poll(() => one.asks.length).toBe(1)
  expect(who((await call(['a@one', 'a@two'])).attempt)).toBe('a@two in 1')
  await first
})

test('no answer is left running when its caller leaves', async () => {
  const { host, call, released } = start()
  const one = host('one', silent)
  setTimeout(() => open[0]!.abort(), 50)
  const { ms } = await call(['a@one', 'a@two'])
  expect(ms).toBeLessThan(500)
  expect([one.asks[0]!.endedAt !== undefined, released]).toEqual([true, ['client_left']])
})

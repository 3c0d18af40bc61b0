import { createGates } from '../../src/admit/gate.ts'
import type { Deps } from '../../src/call/deps.ts'
import { dispatch } from '../../src/call/dispatch.ts'
import { createCatalog, type Model } from '../../src/catalog/catalog.ts'
import { Refusal } from '../../src/errors.ts'
import type { Call } from '../../src/ledger/call.ts'
import { quietLog as log } from '../../src/log.ts'
import { parseRate, type Rate } from '../../src/money.ts'
import { type Answer, type Ask, UpstreamError } from '../../src/providers/provider.ts'
import type { Terms } from '../../src/quote/seal.ts'
import { createRetryBudget } from '../../src/route/budget.ts'
import { createHealth } from '../../src/route/health.ts'
import { createPrefixes } from '../../src/route/prefixes.ts'
import { createRouter } from '../../src/route/router.ts'
import type { Strategy } from '../../src/route/strategies.ts'
import { createTempo } from '../../src/route/tempo.ts'
import type { Feature } from '../../src/wire/features.ts'
import { downAt, eventful, type HostModel, outagesOf, type World } from './availability-outages.ts'
import { takeTime } from './availability-time.ts'
import { seeded } from './plan-page.ts'
import { orderFor, sizeWith } from './plan-world.ts'

export type YearFacts = World & {
  strategy: Strategy
  /** One call in so many ms. */
  everyMs: number
  seed: number
  /** Only this host may be asked. */
  only?: string
  /** Hosts are never down: each request by itself fails as often as its host would be. */
  singly?: boolean
}

export type Year = {
  calls: number
  /** Calls that were really dispatched; the others came while nobody was down or had been lately. */
  dispatched: number
  failed: number
  /** Calls that came while all hosts were down. */
  hopeless: number
  /** Failed though somebody was up when they came. */
  avoidable: number
  /** ms that a call lost before the attempt that answered began: mean over all calls, p99 of all and of those that failed over. */
  addedMean: number
  addedP99: number
  movedOver: number
  movedP50: number
  movedP99: number
  requests: number
  firstChoice: Record<string, number>
}

const FIRST_BYTE_MS = 30_000
const OUTPUT = 200
const MS_PER_TOKEN = 15
/** Learning before an outage, and what is remembered after it. */
const BEFORE_MS = 300_000
const AFTER_MS = 180_000
const NOTHING: ReadonlySet<Feature> = new Set()

/** A year of calls through the product's own router, dispatch, breakers, budgets and learned times; only hosts and time are simulated. */
export const year = async (facts: YearFacts): Promise<Year> => {
  const { hosts, spanMs, everyMs, seed } = facts
  // Outages come from their own numbers, so that every strategy lives through the same year.
  const outages = facts.singly ? hosts.map(() => []) : outagesOf(facts, seeded(seed))
  const random = seeded(seed + 1)
  const time = takeTime(0, random)
  try {
    const sim = createSim(facts, outages.map(downAt), time.clock, random)
    const stretches = facts.singly ? [[0, spanMs] as const] : eventful(outages, BEFORE_MS, AFTER_MS)
    for (const [from, to] of stretches) {
      const first = Math.ceil(from / everyMs) * everyMs
      time.leap(first)
      for (let at = first; at < Math.min(to, spanMs); at += everyMs) time.at(at, sim.call)
      await time.settle()
    }
    return sim.result(Math.floor(spanMs / everyMs), hosts)
  } finally {
    time.release()
  }
}

type Down = ReturnType<typeof downAt>

const createSim = (facts: YearFacts, down: readonly Down[], clock: Deps['clock'], random: () => number) => {
  const { hosts, strategy, only, singly } = facts
  const catalog = createCatalog([modelAt(hosts)])
  const [health, tempo] = [createHealth({ clock }), createTempo({ clock })]
  const router = createRouter({
    catalog,
    usual: strategy,
    judge: () => ({ chance: () => 0.9, general: () => 0, output: () => OUTPUT }),
    hosts: {
      lacks: () => NOTHING,
      resting: health.resting,
      failing: health.failing,
      expectMs: tempo.expectMs,
    },
    prefixes: createPrefixes({ clock }),
    usualOutput: () => OUTPUT,
  })
  const steering = {
    stream: true,
    max_tokens: OUTPUT,
    ...(only === undefined ? {} : { provider: { only: [only] } }),
  }
  const order = orderFor('sim/model', 'A question of usual length, asked once more.', steering)
  const size = sizeWith(order)
  let requests = 0
  const providers = new Map(
    hosts.map((host, i) => [
      host.id,
      {
        id: host.id,
        lacks: () => NOTHING,
        close: async () => {},
        ask: async (ask: Ask): Promise<Answer> => {
          requests++
          const outage = down[i]!(clock.now())
          const firstMs = host.firstMs * Math.exp(0.4 * normal(random))
          if (outage?.manner === 'refused') throw new UpstreamError('unavailable', 'ECONNREFUSED')
          await clock.sleep(outage ? (outage.manner === 'error' ? 200 : 1e9) : firstMs, ask.signal)
          ask.signal.throwIfAborted()
          if (outage || (singly && random() > host.up)) throw new UpstreamError('unavailable', 'status 503')
          return { kind: 'stream', events: words() }
        },
      },
    ]),
  )
  const deps = {
    ledger: { post: async () => ({ ok: true, call: { settlement: { at: 'none' } } }) },
    probe: () => {},
    health,
    tempo,
    retries: createRetryBudget({ clock }),
    gates: createGates({ clock, most: () => 512 }),
    clock,
    log,
    firstByteMs: FIRST_BYTE_MS,
    provider: (id: string) => providers.get(id),
  } as unknown as Deps
  const held = { id: 'call_simulated', settleFirst: false, signed: 0n } as Call
  const added: number[] = []
  const moved: number[] = []
  const firstChoice: Record<string, number> = {}
  const counts = { dispatched: 0, failed: 0, hopeless: 0, avoidable: 0 }

  const ask = async (): Promise<void> => {
    const came = clock.now()
    const hopeless = down.every((is) => is(came))
    counts.dispatched++
    if (hopeless) counts.hopeless++
    const { routes } = router.route(order, size)
    const first = routes[0]!.provider
    firstChoice[first] = (firstChoice[first] ?? 0) + 1
    const terms = { routes, strategy, input: size.input, maxOutput: OUTPUT, choices: 1 } as unknown as Terms
    try {
      const begun = await dispatch(deps, held, terms, order, new AbortController().signal)
      const { provider, hostModel } = begun.route
      const lost = begun.asked - came
      added.push(lost)
      if (provider !== first || begun.attempts > 1) moved.push(lost)
      tempo.ended(provider, hostModel, { ms: OUTPUT * MS_PER_TOKEN, tokens: OUTPUT })
      begun.abort()
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      counts.failed++
      if (!hopeless) counts.avoidable++
    }
  }
  let broken: unknown
  return {
    call: () => {
      ask().catch((error) => {
        broken = error
      })
    },
    result: (calls: number, all: readonly HostModel[]): Year => {
      if (broken) throw broken
      const sorted = added.toSorted((a, b) => a - b)
      const uneventful = calls - counts.dispatched
      const over = moved.toSorted((a, b) => a - b)
      const at = (list: readonly number[], place: number) =>
        place < 0 ? 0 : (list[place] ?? list.at(-1) ?? 0)
      return {
        calls,
        ...counts,
        addedMean: added.reduce((sum, one) => sum + one, 0) / (calls - counts.failed),
        addedP99: at(sorted, Math.ceil(0.99 * (calls - counts.failed)) - 1 - uneventful),
        movedOver: moved.length,
        movedP50: at(over, Math.ceil(0.5 * over.length) - 1),
        movedP99: at(over, Math.ceil(0.99 * over.length) - 1),
        requests,
        firstChoice: Object.fromEntries(
          all.map(({ id }) => [id, (firstChoice[id] ?? 0) / counts.dispatched]),
        ),
      }
    },
  }
}

async function* words(): AsyncGenerator<readonly string[]> {
  yield [
    JSON.stringify({ choices: [{ index: 0, delta: { content: 'yes' }, finish_reason: 'stop' }] }),
    '[DONE]',
  ]
}

const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

const modelAt = (hosts: readonly HostModel[]): Model => ({
  id: 'sim/model',
  kind: 'chat',
  context: 128_000,
  maxOutput: 8_000,
  imageTokens: { low: 300, high: 3_000 },
  capabilities: undefined,
  hosts: hosts.map(({ id, dollars }) => {
    const [input, output] = dollars.map((one) => parseRate(one) as Rate) as [Rate, Rate]
    return { provider: id, model: 'model', prices: { input, output, cachedInput: input, cacheWrite: input } }
  }),
})

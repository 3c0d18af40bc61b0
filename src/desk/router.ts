/** The router as its operators see it: calls, hosts, models, and money on its way. */
import { z } from 'zod'
import { SITE } from '../accounts/node.ts'
import { type Asset, toUsd } from '../assets.ts'
import type { Catalog } from '../catalog/catalog.ts'
import { billOf, isSettling, toMove } from '../ledger/call.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { COUNTER } from '../ledger/moves.ts'
import { printRate, printUsd, type Usd } from '../money.ts'
import type { Health } from '../route/health.ts'
import type { Tempo } from '../route/tempo.ts'
import { callsOf } from './calls.ts'
import type { Cursors } from './cursor.ts'
import { reading } from './desk.ts'
import { idSchema } from './tree.ts'

export type RouterDeskFacts = {
  ledger: Pick<Ledger, 'recent' | 'open' | 'openErrands' | 'counter'>
  health: Pick<Health, 'resting' | 'failing' | 'barredFor'>
  tempo: Pick<Tempo, 'expectMs'>
  catalog: () => Catalog
  providers: () => readonly { id: string; type: string }[]
  /** Tokens that are or were taken. */
  assets: () => readonly Asset[]
  exposureLimit: () => Usd
  /** Whether paid calls can be taken, as /readyz says. */
  ready: () => Promise<object>
  /** Without them a list that would go on at a call of others ends there. */
  cursors?: Cursors
  /** What was found to differ between ledger and chain, the newest first. */
  findings: (limit: number) => Promise<readonly object[]>
}

const PAGE = 50
/** Calls at work that are looked at. */
const MOST_SCANNED = 5_000
/** Tokens of an answer whose time is told. */
const TYPICAL = 300

const at = idSchema.default(SITE)
const limit = z.coerce.number().int().min(1).max(200).default(PAGE)

export const routerOperations = (facts: RouterDeskFacts) => ({
  'overview.get': reading({
    summary: 'How the router stands: readiness, hosts, exposure, and what settles.',
    needs: 'money.read',
    input: z.strictObject({}),
    at: () => SITE,
    run: async ({ clock }) => {
      const [ready, open, errands, exposure, findings] = await Promise.all([
        facts.ready(),
        facts.ledger.open(MOST_SCANNED),
        facts.ledger.openErrands(),
        facts.ledger.counter(COUNTER.exposure),
        facts.findings(100),
      ])
      const settling = open.filter(isSettling)
      const oldest = settling.reduce(
        (least, call) => Math.min(least, billOf(call)?.at ?? call.at),
        clock.now(),
      )
      const hosts = hostsOf(facts)
      return {
        ready,
        providers: { all: hosts.length, up: hosts.filter((one) => one.up).length },
        settlements: { open: settling.length, oldestMs: clock.now() - oldest, errands: errands.length },
        serving: open.length - settling.length,
        exposure: { usd: printUsd(exposure as Usd), limit: printUsd(facts.exposureLimit()) },
        findings: findings.length,
      }
    },
  }),

  'call.list': reading({
    summary: 'The newest calls first: what they were, never what was said in them.',
    needs: 'calls.read',
    input: z.strictObject({
      at,
      before: idSchema.optional(),
      limit,
      state: z.string().max(40).optional(),
      model: z.string().max(200).optional(),
    }),
    at: (input) => input.at,
    run: (scene, input) => callsOf(facts, scene, input),
  }),

  'host.list': reading({
    summary: 'Every provider: how many models it hosts, and which of them rest after failures.',
    needs: 'money.read',
    input: z.strictObject({}),
    at: () => SITE,
    run: async () => ({ hosts: hostsOf(facts) }),
  }),

  'model.list': reading({
    summary: 'Every model with its hosts, their prices and how they did lately.',
    needs: 'calls.read',
    input: z.strictObject({ search: z.string().max(100).default(''), after: idSchema.optional(), limit }),
    at: () => SITE,
    run: async (_scene, { search, after, limit }) => {
      const fitting = facts
        .catalog()
        .models.filter(({ id }) => id.includes(search) && (after === undefined || id > after))
        .toSorted((a, b) => (a.id < b.id ? -1 : 1))
      const models = fitting.slice(0, limit).map(({ id, context, hosts }) => ({
        id,
        context,
        hosts: hosts.map((host) => ({
          provider: host.provider,
          ...stateOfHost(facts, host.provider, host.model),
          input: printRate(host.prices.input),
          output: printRate(host.prices.output),
        })),
      }))
      return { models, ...(fitting.length > limit && { next: models.at(-1)!.id }) }
    },
  }),

  'settlement.list': reading({
    summary: 'Payments whose money is on its way, the oldest first, and other transactions of the settler.',
    needs: 'money.read',
    input: z.strictObject({ limit }),
    at: () => SITE,
    run: async ({ clock }, { limit }) => {
      const all = (await facts.ledger.open(MOST_SCANNED)).filter(isSettling)
      const errands = await facts.ledger.openErrands()
      const counts: Record<string, number> = {}
      for (const { settlement } of all) counts[settlement.at] = (counts[settlement.at] ?? 0) + 1
      return {
        counts,
        open: all.slice(0, limit).map((call) => ({
          id: call.id,
          kind: call.kind,
          state: call.settlement.at,
          ageMs: clock.now() - (billOf(call)?.at ?? call.at),
          chain: call.chain,
          payer: call.payer,
          usd: printUsd(toUsd(toMove(call), call.decimals)),
          ...('hash' in call.settlement && { hash: call.settlement.hash }),
        })),
        errands: errands.slice(0, limit).map((one) => ({
          id: one.id,
          kind: one.task.kind,
          state: one.settlement.at,
          chain: one.chain,
          payer: one.payer,
        })),
      }
    },
  }),

  'finding.list': reading({
    summary: 'What differs between ledger and chain.',
    needs: 'money.read',
    input: z.strictObject({ limit }),
    at: () => SITE,
    run: async (_scene, { limit }) => ({ findings: await facts.findings(limit) }),
  }),
})

const hostsOf = (facts: RouterDeskFacts) => {
  const models = facts.catalog().models
  return facts.providers().map(({ id, type }) => {
    const hosted = models.flatMap((model) =>
      model.hosts
        .filter(({ provider }) => provider === id)
        .map((host) => ({ model: model.id, host: host.model })),
    )
    const resting = hosted.filter(({ host }) => facts.health.resting(id, host)).map(({ model }) => model)
    return {
      provider: id,
      type,
      models: hosted.length,
      up: hosted.length === 0 || resting.length < hosted.length,
      resting: resting.slice(0, 20),
      failing: hosted.reduce((most, { host }) => Math.max(most, facts.health.failing(id, host)), 0),
    }
  })
}

const stateOfHost = ({ health, tempo }: RouterDeskFacts, provider: string, hostModel: string) => ({
  resting: health.resting(provider, hostModel),
  failing: health.failing(provider, hostModel),
  barredMs: health.barredFor(provider, hostModel),
  ms: tempo.expectMs(provider, hostModel, TYPICAL) ?? null,
})

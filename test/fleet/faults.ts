import { setTimeout as sleep } from 'node:timers/promises'
import { rpc } from '../../src/cli/demo/localnet.ts'
import { behind, dead, mute } from '../support/rpc-proxy.ts'
import type { FleetSite } from './site.ts'

/** What can go wrong while a fleet serves. The last two make the store forget moves that it had answered for. */
export const FAULTS = [
  'kill',
  'freeze',
  'freeze-long',
  'redis-kill',
  'redis-slow',
  'redis-drop',
  'partition',
  'rpc-dead',
  'rpc-mute',
  'rpc-behind',
  'reorg',
  'upstream-500',
  'upstream-hang',
  'upstream-cut',
  'flush',
  'stale-replica',
] as const

export type FaultKind = (typeof FAULTS)[number]

/** These lose data; all others must lose nothing. */
export const LOSES: ReadonlySet<FaultKind> = new Set(['flush', 'stale-replica'])

/** One fault of a plan; `at` and `ms` from the beginning of the run, `instance` and `depth` where they mean something. */
export type Fault = { at: number; kind: FaultKind; ms: number; instance: number; depth: 1 | 2 }

export type PlanFacts = {
  random: () => number
  seconds: number
  faults: readonly FaultKind[]
  instances: number
  /** A fault of another kind than `kill` comes so often, ms. */
  everyMs?: number
}

const KILL_EVERY_MS = 10_000
const BACK_AFTER_MS = 2_000
const FIRST_AT = 2_000
const LOSS_EVERY_MS = 20_000
const LASTS: Partial<Record<FaultKind, number>> = {
  kill: BACK_AFTER_MS,
  freeze: 3_000,
  'freeze-long': 8_000,
  'redis-kill': 700,
  'redis-slow': 2_500,
  'redis-drop': 600,
  partition: 3_000,
  'rpc-dead': 2_000,
  'rpc-mute': 1_500,
  'rpc-behind': 3_000,
  'upstream-500': 1_000,
  'upstream-hang': 1_000,
  'upstream-cut': 1_000,
  'stale-replica': 1_500,
}

/** When which fault begins: kills by the clock, the others in a shuffled order in which each comes before any comes again. */
export const planFaults = (facts: PlanFacts): Fault[] => {
  const { random, seconds, faults, instances, everyMs = 3_500 } = facts
  const end = seconds * 1000
  const pick = (n: number) => Math.floor(random() * n)
  const fault = (kind: FaultKind, at: number): Fault => ({
    at: Math.round(at),
    kind,
    ms: LASTS[kind] ?? 0,
    instance: pick(instances),
    depth: random() < 0.5 ? 1 : 2,
  })
  const plan: Fault[] = []
  if (faults.includes('kill'))
    for (let at = KILL_EVERY_MS / 2; at < end; at += KILL_EVERY_MS) plan.push(fault('kill', at))
  const others = faults.filter((kind) => kind !== 'kill')
  let deck: FaultKind[] = []
  for (let at = FIRST_AT; at < end && others.length > 0; at += everyMs * (0.75 + random() / 2)) {
    if (deck.length === 0) deck = [...others]
    const fit = deck.filter((kind) => !isOver(kind, plan, at))
    if (fit.length === 0) {
      deck = []
      continue
    }
    const kind = fit[pick(fit.length)]!
    deck = deck.filter((one) => one !== kind)
    plan.push(fault(kind, at))
  }
  return plan.toSorted((a, b) => a.at - b.at)
}

/** Two losses at once are no fault but a disaster; and there is one copy to promote. */
const isOver = (kind: FaultKind, plan: readonly Fault[], now: number): boolean =>
  LOSES.has(kind) &&
  plan.some((one) => LOSES.has(one.kind) && (one.at > now - LOSS_EVERY_MS || one.kind === 'stale-replica'))

/** Makes it happen and ends it again. */
const make: Record<FaultKind, (site: FleetSite, fault: Fault) => Promise<void>> = {
  kill: async (site, { instance, ms }) => {
    await site.fleet.kill(instance)
    await sleep(ms)
    await revive(site, instance)
  },
  freeze: (site, fault) => freeze(site, fault),
  'freeze-long': (site, fault) => freeze(site, fault),
  'redis-kill': async ({ redis }, { ms }) => {
    const server = redis.now()
    await server.kill9()
    await sleep(ms)
    await server.restart()
    // A copy that was promoted would follow its old master again, as its command line says.
    await server.cli('REPLICAOF', 'NO', 'ONE')
  },
  'redis-slow': ({ proxies }, { ms }) => onAll(proxies, ms, (one, on) => one.delay(on ? 200 : 0)),
  'redis-drop': ({ proxies }, { ms }) => onAll(proxies, ms, (one, on) => one.dropReplies(on)),
  partition: ({ proxies }, { instance, ms }) =>
    onAll([proxies[instance]!], ms, (one, on) => one.partition(on)),
  'rpc-dead': ({ chain }, { ms }) => onAll([chain], ms, (one, on) => one.behave(on ? dead : undefined)),
  'rpc-mute': ({ chain }, { ms }) => onAll([chain], ms, (one, on) => one.behave(on ? mute : undefined)),
  'rpc-behind': ({ chain }, { ms, depth }) =>
    onAll([chain], ms, (one, on) => one.behave(on ? behind(depth) : undefined)),
  reorg: async ({ net }, { depth }) => void (await rpc(net.url, 'anvil_reorg', [depth, []])),
  'upstream-500': ({ upstream }, { ms }) =>
    onAll([upstream], ms, (one, on) => one.be(on ? 'failing' : 'well')),
  'upstream-hang': ({ upstream }, { ms }) =>
    onAll([upstream], ms, (one, on) => one.be(on ? 'hanging' : 'well')),
  'upstream-cut': ({ upstream }, { ms }) =>
    onAll([upstream], ms, (one, on) => one.be(on ? 'cutting' : 'well')),
  flush: async ({ redis }) => void (await redis.now().cli('FLUSHALL')),
  'stale-replica': async ({ redis, proxies }, { ms }) => {
    await redis.makeStale()
    await sleep(ms)
    await redis.promote()
    for (const proxy of proxies) {
      proxy.retarget(redis.now().port)
      proxy.cut()
    }
  },
}

const onAll = async <T>(all: readonly T[], ms: number, set: (one: T, on: boolean) => void): Promise<void> => {
  for (const one of all) set(one, true)
  await sleep(ms)
  for (const one of all) set(one, false)
}

const freeze = async ({ fleet }: FleetSite, { instance, ms }: Fault): Promise<void> => {
  const frozen = fleet.instances[instance]!.process
  frozen?.kill('SIGSTOP')
  await sleep(ms)
  frozen?.kill('SIGCONT')
}

/** An instance that dies at its start, such as while Redis is away, is started again as a supervisor would. */
const revive = async ({ fleet }: FleetSite, instance: number): Promise<void> => {
  for (let tries = 0; tries < 20; tries++) {
    if (fleet.instances[instance]!.process) return
    await fleet.restart(instance).catch(() => {})
    if (!fleet.instances[instance]!.process) await sleep(500)
  }
  throw new Error(`instance ${instance} does not start`)
}

/** Lets a plan happen; resolves when all of it is over and everything is well again. */
export const runFaults = async (
  site: FleetSite,
  plan: readonly Fault[],
  tell: (line: string) => void,
): Promise<void> => {
  const began = Date.now()
  const since = () => `${((Date.now() - began) / 1000).toFixed(1).padStart(6)} s`
  const running = plan.map(async (fault) => {
    await sleep(fault.at)
    tell(`${since()}  ${wordsOf(fault)}`)
    await make[fault.kind](site, fault).catch((error) =>
      tell(`${since()}  ${fault.kind} was not made: ${error}`),
    )
  })
  await Promise.all(running)
  await Promise.all(site.fleet.instances.map((_, i) => revive(site, i)))
  await site.fleet.balancer.settled(
    site.fleet.instances.map((_, i) => i),
    40_000,
  )
}

const OF_INSTANCE: ReadonlySet<FaultKind> = new Set(['kill', 'freeze', 'freeze-long', 'partition'])
const OF_DEPTH: ReadonlySet<FaultKind> = new Set(['reorg', 'rpc-behind'])

const wordsOf = ({ kind, instance, depth, ms }: Fault): string =>
  [
    kind,
    OF_INSTANCE.has(kind) ? `instance ${instance}` : '',
    OF_DEPTH.has(kind) ? `${depth} deep` : '',
    ms > 0 ? `${ms} ms` : '',
  ]
    .filter((word) => word !== '')
    .join(', ')

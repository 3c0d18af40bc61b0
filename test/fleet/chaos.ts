/**
 * A fleet under everything that can go wrong at once: mixed traffic, a seeded plan of faults, and afterwards the oracle
 * and the ledger itself. What may be lost is bounded by the exposure limit, and printed.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { seeded } from '../campaign/crash.ts'
import { type Audit, atRest, audit } from './audit.ts'
import { watchTill } from './chain.ts'
import { FAULTS, type FaultKind, LOSES, planFaults, runFaults } from './faults.ts'
import { ask, buy, each, type Payment, show, type Way } from './load.ts'
import { judge, type Verdict } from './oracle.ts'
import { type FleetSite, fund, openFleetSite, startBlocks } from './site.ts'
import { PRICE } from './upstream.ts'

export type ChaosFacts = {
  seed: number
  seconds: number
  /** Calls a second. */
  rate: number
  faults: readonly FaultKind[]
  /** A fault of another kind than `kill` comes so often, ms. */
  everyMs?: number
  tell?: (line: string) => void
}

export type ChaosResult = {
  seed: number
  calls: number
  payments: number
  faults: string[]
  verdict: Verdict
  audit: Audit
  /** What the instances logged as errors, by event. */
  logged: Record<string, number>
  /** Everything that is wrong. */
  problems: string[]
  seconds: number
}

/** Unpaid service that is risked in these runs: USD, and units of a token with six decimals. */
const EXPOSURE = '0.02'
const LIMIT = 20_000n
const BLOCK_SECONDS = 1
const GRACE_MS = 30_000
/** Longer than it takes until a claim is found that nobody stands for: one that was written again after a loss. */
const REST_MS = 90_000

/** Every fault that must lose nothing. */
export const HARMLESS: readonly FaultKind[] = FAULTS.filter((kind) => !LOSES.has(kind))

/** Runs a fleet through a plan of faults and judges it. The seed says which faults come when; how they meet the traffic is up to the machine. */
export const runChaos = async (facts: ChaosFacts): Promise<ChaosResult> => {
  const { seed, seconds, rate, faults, tell = () => {} } = facts
  const began = Date.now()
  const random = seeded(seed)
  const site = await openFleetSite({ exposure: EXPOSURE, replica: faults.includes('stale-replica') })
  try {
    const calls = Math.round(seconds * rate)
    const kinds = Array.from({ length: calls }, () => kindOf(random))
    const accounts = await fund(site, calls, { permit2: (i) => kinds[i]!.way !== 'exact-3009' })
    await startBlocks(site, BLOCK_SECONDS)
    const till = watchTill({ url: site.net.url, token: site.token, since: site.since })
    const plan = planFaults({
      random,
      seconds,
      faults,
      instances: site.fleet.instances.length,
      ...every(facts),
    })
    tell(`seed ${seed}: ${calls} calls in ${seconds} s, ${plan.length} faults`)
    const told: string[] = []
    const faulting = runFaults(site, plan, (line) => {
      told.push(line)
      tell(line)
    })
    const shown: Payment[] = []
    const start = Date.now()
    const until = start + seconds * 1000 + GRACE_MS
    const buying = kinds.map(async (kind, i) => {
      await sleep((i * 1000) / rate)
      const name = `${seed}-${i}`
      await buy({ chat: site.fleet.chat, account: accounts[i]!, ...kind, name, shown, until })
    })
    await faulting
    await Promise.all(buying)
    const lost = faults.some((kind) => LOSES.has(kind))
    const open = await afterwards(site, shown)
    const moved = await till.moved()
    await till.stop()
    const verdict = judge({ moved, asked: site.upstream.asked, shown, price: PRICE, limit: LIMIT, lost })
    const audited = await audit(site)
    const logged = countEvents(site.errors())
    const result = { seed, calls, payments: shown.length, faults: told, verdict, audit: audited, logged }
    const unrested = open.map((one) => `not at rest: ${one}`)
    const problems = [...unrested, ...problemsOf(result, lost, site.errors())]
    return { ...result, problems, seconds: Math.round((Date.now() - began) / 1000) }
  } finally {
    await site.close()
  }
}

const every = ({ everyMs }: ChaosFacts) => (everyMs === undefined ? {} : { everyMs })

const kindOf = (random: () => number): { way: Way; stream: boolean } => {
  const at = random()
  const way = at < 0.6 ? 'exact-3009' : at < 0.75 ? 'exact-permit2' : 'upto'
  return { way, stream: random() < 0.5 }
}

/** Lets the fleet come to rest, shows every payment without an answer once more, and asks what became of each; returns what is still open. */
const afterwards = async (site: FleetSite, shown: readonly Payment[]): Promise<string[]> => {
  const unanswered = () => shown.filter(({ words }) => !words.some((one) => one.whole))
  await each(unanswered(), 8, async (one) => void (await show(site.fleet.chat, one)))
  const open = await atRest(site.store(), REST_MS)
  await each(unanswered(), 8, async (one) => void (await show(site.fleet.chat, one)))
  await each(shown, 16, (one) => ask(site.fleet.url, one).catch(() => {}))
  return open.length === 0 ? [] : atRest(site.store(), 0)
}

const problemsOf = (
  { verdict, audit: { violations, agrees, report } }: Pick<ChaosResult, 'verdict' | 'audit'>,
  lost: boolean,
  errors: readonly string[],
): string[] => [
  ...verdict.problems,
  ...violations.map((one) => `ledger: ${one}`),
  // What a store forgot for good is in no ledger: only what the chain says was booked again.
  ...(agrees || lost ? [] : ['ledger and chain differ', ...report]),
  ...errors.filter(isBug).map((line) => `log: ${line}`),
]

/** An instance that cannot start while its store or its chain is away says so and is started again. */
const isBug = (line: string): boolean =>
  line.includes('"msg":"bug"') ||
  (!line.includes('"msg"') && !/farebox: (Redis does not|The ledger cannot|the chain cannot)/.test(line))

const countEvents = (errors: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const line of errors) {
    const event = /"msg":"(\w+)"/.exec(line)?.[1] ?? 'unstructured'
    counts[event] = (counts[event] ?? 0) + 1
  }
  return counts
}

/** A result as lines for people. */
export const printChaos = ({ verdict, audit: audited, ...result }: ChaosResult): string[] => [
  `seed ${result.seed}: ${result.calls} calls, ${result.payments} payments, ${verdict.served} answered in full, ${verdict.transfers} transfers, ${result.seconds} s`,
  `unpaid service: at most ${verdict.unpaidMost} units at once, ${verdict.unpaidEver} for ever, limit ${LIMIT}`,
  `served twice: ${verdict.doubles} units; paid and forgotten: ${verdict.forgotten} units; ${verdict.given} broken answers not charged`,
  `ledger: ${audited.violations.length} violations, ${audited.agrees ? 'agrees' : 'does not agree'} with the chain`,
  `logged: ${JSON.stringify(result.logged)}`,
  ...audited.histories.slice(0, 60).map((one) => `  ${one}`),
  ...result.problems.slice(0, 40).map((one) => `BAD ${one}`),
]

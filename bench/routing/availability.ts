/** `npm run bench:routing`, third part: a year of outages at three hosts. Simulated time; no network, no chain. */
import { parseArgs } from 'node:util'
import type { Strategy } from '../../src/route/strategies.ts'
import { boundOf, type HostModel } from './availability-outages.ts'
import { type Year, type YearFacts, year } from './availability-year.ts'
import { bars, publish, runFacts, runLine, table } from './plan-page.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '20261121' },
    days: { type: 'string', default: '365' },
    every: { type: 'string', default: '20' },
  },
})
const SEED = Number(values.seed)
const DAYS = Number(values.days)
const EVERY_MS = Number(values.every) * 1_000
const MEAN_MS = 1_800_000
const USUAL_SHARED = 0.01
const SINGLE_CALLS = 40_000
const SHARES = [0, 0.005, 0.01, 0.02, 0.05]
const STRATEGIES: readonly Strategy[] = ['availability', 'balanced', 'cost', 'latency']
const HOSTS: readonly HostModel[] = [
  { id: 'alpha', up: 0.99, firstMs: 450, dollars: ['1', '4'] },
  { id: 'beta', up: 0.99, firstMs: 400, dollars: ['1.05', '4.2'] },
  { id: 'gamma', up: 0.995, firstMs: 350, dollars: ['1.2', '4.8'] },
]

const facts = runFacts(SEED)
const spent = process.cpuUsage()
const bounded = (shared: number) => boundOf({ hosts: HOSTS, shared })
const run = async (strategy: Strategy, shared: number, more: Partial<YearFacts> = {}): Promise<Year> => {
  const world = { hosts: HOSTS, shared, meanMs: MEAN_MS, spanMs: DAYS * 86_400_000 }
  const found = await year({ ...world, strategy, everyMs: EVERY_MS, seed: SEED, ...more })
  const cpu = process.cpuUsage(spent).user / 1e6
  console.error(`${strategy}, ${shared} shared: ${found.failed} failed; ${cpu.toFixed(0)} s of CPU so far`)
  return found
}

type Row = { who: string; shared: number; year: Year; bound: number; alone?: boolean }
const rows: Row[] = []
for (const strategy of STRATEGIES) {
  const found = await run(strategy, USUAL_SHARED)
  rows.push({ who: strategy, shared: USUAL_SHARED, year: found, bound: bounded(USUAL_SHARED) })
}
for (const { id: only, up } of [HOSTS[0]!, HOSTS[2]!]) {
  const found = await run('balanced', USUAL_SHARED, { only })
  rows.push({ who: `${only} alone`, shared: USUAL_SHARED, year: found, bound: up, alone: true })
}
const shares: Row[] = []
for (const shared of SHARES) {
  const known = rows.find((row) => row.who === 'availability' && row.shared === shared)
  shares.push(
    known ?? { who: 'availability', shared, year: await run('availability', shared), bound: bounded(shared) },
  )
}
const singles: { who: string; year: Year }[] = []
const singly = { singly: true, everyMs: 2_000, spanMs: SINGLE_CALLS * 2_000 }
for (const strategy of ['availability', 'balanced', 'cost'] as const)
  singles.push({ who: strategy, year: await run(strategy, 0, singly) })
singles.push({ who: 'alpha alone', year: await run('balanced', 0, { ...singly, only: 'alpha' }) })

const percent = (share: number, digits = 5) => `${(100 * share).toFixed(digits)} %`
const success = ({ calls, failed }: Year) => 1 - failed / calls
const cells = ({ year: one, bound, alone }: Row): string[] => [
  percent(success(one)),
  String(one.failed),
  String(one.hopeless),
  String(one.avoidable),
  alone ? '' : percent(1 - one.hopeless / one.calls),
  percent(bound),
]
const heads = [
  'answered',
  'failed',
  'came while all were down',
  'failed though one was up',
  'bound of this year',
  'bound of the model',
]

const markdown = [
  '# A year of outages',
  `${runLine(facts)} ${DAYS} days, one call in ${EVERY_MS / 1000} s (${rows[0]!.year.calls.toLocaleString('en-US')} calls), all of them streamed.`,
  `Three hosts of one model: ${HOSTS.map(({ id, up, dollars }) => `${id} up ${percent(up, 1)} of the time at $${dollars.join('/')}`).join(', ')}. Every host goes down for its own reasons, independently: times up and times down are exponential, a downtime lasts ${MEAN_MS / 60_000} minutes in the mean. On top of that one shared cause takes all three down at once: it makes the given share of the downtime of the best host (the beta-factor model of common causes), and each host's own causes are fewer by as much. It strikes as often and as long as it is expected to, at random times. While down, a host answers 503 after 0.2 s (half of the outages), refuses the connection (a quarter) or says nothing (a quarter). While up it always answers.`,
  `Run by the product's own router, dispatch, breakers, retry budgets and learned times; only hosts and time are simulated. What is not simulated: payments, single errors of hosts that are up, answers that break off after their first byte, several instances. Calls while nobody is down or was in the last three minutes (nor will be in five) are counted as answered without being run. Every row lives through the same outages.`,
  `## Strategies, shared cause ${percent(USUAL_SHARED, 1)}`,
  table(
    ['who', ...heads],
    rows.map((row) => [row.who, ...cells(row)]),
  ),
  'What a call lost before the attempt that answered it began:',
  table(
    [
      'who',
      'mean of all ms',
      'p99 of all ms',
      'calls that lost time',
      'their p50 ms',
      'their p99 ms',
      'asked first: alpha, beta, gamma',
    ],
    rows.map(({ who, year: one }) => [
      who,
      one.addedMean.toFixed(1),
      one.addedP99.toFixed(0),
      `${one.movedOver} (${percent(one.movedOver / one.calls, 2)})`,
      one.movedP50.toFixed(0),
      one.movedP99.toFixed(0),
      Object.values(one.firstChoice)
        .map((share) => percent(share, 0))
        .join(', '),
    ]),
  ),
  'Who is asked first: of the calls that were run, which are those around outages.',
  '## Availability first, by the share of the shared cause',
  table(
    ['shared cause', ...heads],
    shares.map((row) => [percent(row.shared, 1), ...cells(row)]),
  ),
  'The bound of the model is what hosts of these numbers allow in the long run; that of this year is what they allowed to the calls that came: nobody can answer while all are down. A call that comes then can still be answered when one of them comes back before its patience ends.',
  '## Single failures instead of outages',
  `The same hosts, never down: each request by itself fails (503 after 0.2 s) as often as its host would be. ${SINGLE_CALLS.toLocaleString('en-US')} calls, one in 2 s, all of them run.`,
  table(
    ['who', 'answered', 'failed', 'requests a call', 'mean lost ms', 'p99 lost ms'],
    singles.map(({ who, year: one }) => [
      who,
      percent(success(one)),
      String(one.failed),
      (one.requests / one.calls).toFixed(4),
      one.addedMean.toFixed(1),
      one.addedP99.toFixed(0),
    ]),
  ),
  '![Calls that were not answered](availability.svg)',
].join('\n\n')

const drawn = [...rows, ...shares.filter(({ shared }) => shared !== USUAL_SHARED)].map(
  ({ who, shared, year: one }) => {
    const missed = (1e6 * one.failed) / one.calls
    return {
      name: `${who}, shared ${percent(shared, 1)}`,
      value: Math.log10(1 + missed),
      label: `${missed.toFixed(0)} in a million`,
    }
  },
)
publish(
  'availability',
  markdown,
  { facts, days: DAYS, everyMs: EVERY_MS, meanMs: MEAN_MS, hosts: HOSTS, rows, shares, singles },
  bars('Calls without an answer, logarithmic', drawn),
)

/** `npm run bench:routing`, first part: how long a plan over the whole catalogue takes. No network, no chain. */
import { loadDifficulty } from '../../src/route/difficulty.ts'
import { createJudge } from '../../src/route/judge.ts'
import { readManifest, readRows } from '../../tools/routing/data.ts'
import { type Spread, spreadOf } from '../stats.ts'
import { bars, publish, runFacts, runLine, seeded, table } from './plan-page.ts'
import { everyHost, freshRouter, orderFor, sizeWith } from './plan-world.ts'

const SEED = 20261121
const PROMPTS = 400
const ROUNDS = 1_200
const WARM = 300
const LONG = 2_000

/** `calm`: the rounds during which nobody else took the core; `cpuUs`: mean over all rounds. */
type Timed = { what: string; times: number; calmTimes: number; calm: Spread; wall: Spread; cpuUs: number }

const facts = runFacts(SEED)
const random = seeded(SEED)
const { catalog, date } = everyHost()
const difficulty = loadDifficulty()
const router = freshRouter(catalog, createJudge(difficulty))
const rows = readRows(readManifest())
const prompts = Array.from({ length: PROMPTS }, () => rows[Math.floor(random() * rows.length)]!.p)
const long = prompts.map((_, i) =>
  Array.from({ length: 40 }, (_, k) => prompts[(i + k) % PROMPTS])
    .join('\n')
    .slice(0, LONG),
)
const abilities = catalog.models.flatMap(({ id }) => difficulty.known(id) ?? []).slice(0, 20)
while (abilities.length < 20) abilities.push(difficulty.fromPrice(1 + abilities.length))

const switches = (): number => process.resourceUsage().involuntaryContextSwitches

/** Wall time of many rounds, each of another prompt, and the CPU time of this thread for all of them, µs. */
const timed = (what: string, step: (i: number) => unknown, times = ROUNDS): Timed => {
  for (let i = 0; i < WARM; i++) step(i)
  const wall: number[] = []
  const calm: number[] = []
  const used = process.threadCpuUsage()
  for (let i = 0; i < times; i++) {
    const before = switches()
    const began = performance.now()
    step(i)
    const took = (performance.now() - began) * 1000
    wall.push(took)
    if (switches() === before) calm.push(took)
  }
  const { user, system } = process.threadCpuUsage(used)
  console.error(`${what}: done`)
  const cpuUs = (user + system) / times
  return { what, times, calmTimes: calm.length, calm: spreadOf(calm), wall: spreadOf(wall), cpuUs }
}

const autos = prompts.map((text) => orderFor('auto', text))
const named = prompts.map((text) => orderFor('openai/gpt-5', text))
const route = (orders: typeof autos) => (i: number) => {
  const order = orders[i % PROMPTS]!
  return router.route(order, sizeWith(order))
}

const timings = [
  timed('plan, `auto`: all models', route(autos)),
  timed('plan, a named model: `openai/gpt-5`', route(named), 4 * ROUNDS),
  timed(
    `difficulty of ${LONG} characters: read once`,
    (i) => difficulty.read(long[i % PROMPTS]!),
    4 * ROUNDS,
  ),
  timed(
    `difficulty of ${LONG} characters: read, and the chances of 20 models`,
    (i) => {
      const reading = difficulty.read(long[i % PROMPTS]!)
      return abilities.map((ability) => difficulty.chance(ability, reading))
    },
    4 * ROUNDS,
  ),
]

const chat = catalog.models.filter(({ kind }) => kind === 'chat')
const hosts = catalog.models.reduce((sum, one) => sum + one.hosts.length, 0)
const markdown = [
  '# How long a plan takes',
  `${runLine(facts)} ${PROMPTS} prompts of the training data in turn; after ${WARM} rounds to warm up.`,
  `The built-in catalogue of ${date} with every provider that it knows: ${catalog.models.length} models (${chat.length} chat), ${hosts} hosts. No host has been asked yet.`,
  table(
    ['what', 'rounds', 'p50 µs', 'p99 µs', 'CPU mean µs', 'of all rounds: p50 µs', 'p99 µs'],
    timings.map(({ what, times, calmTimes, calm, wall, cpuUs }) => [
      what,
      `${calmTimes} of ${times}`,
      calm.p50.toFixed(0),
      calm.p99.toFixed(0),
      cpuUs.toFixed(0),
      wall.p50.toFixed(0),
      wall.p99.toFixed(0),
    ]),
  ),
  'p50 and p99 are wall time of the rounds during which the kernel did not take the core away from this process (as it counts that); those of all rounds stand beside them and say more of the load than of the router. CPU is the mean over all rounds, because the kernel tells it in steps too long for one. Garbage collection is in all of them.',
  '![Time of a plan](plan.svg)',
].join('\n\n')

const drawn = timings.flatMap(({ what, calm }) =>
  (['p50', 'p99'] as const).map((part) => ({
    name: `${what.replaceAll('`', '').slice(0, 40)}, ${part}`,
    value: calm[part],
    label: `${calm[part].toFixed(0)} µs`,
  })),
)
publish(
  'plan',
  markdown,
  { facts, catalog: { date, models: catalog.models.length, hosts }, timings },
  bars('Time of one decision, µs', drawn),
)

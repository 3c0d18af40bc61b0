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

type Timed = { what: string; times: number; wall: Spread; cpu: Spread }

const facts = runFacts(SEED)
const random = seeded(SEED)
const { catalog, date } = everyHost()
const difficulty = loadDifficulty()
const router = freshRouter(catalog, createJudge(difficulty))
const rows = readRows(readManifest())
const prompts = Array.from({ length: PROMPTS }, () => rows[Math.floor(random() * rows.length)]!.p)
const long = prompts.map((_, i) => Array.from({ length: 40 }, (_, k) => prompts[(i + k) % PROMPTS]).join('\n').slice(0, LONG))
const abilities = catalog.models.flatMap(({ id }) => difficulty.known(id) ?? []).slice(0, 20)
while (abilities.length < 20) abilities.push(difficulty.fromPrice(1 + abilities.length))

/** Wall time and the CPU time of this thread, µs, of each of many rounds. */
const timed = (what: string, step: (i: number) => unknown, times = ROUNDS): Timed => {
  for (let i = 0; i < WARM; i++) step(i)
  const wall: number[] = []
  const cpu: number[] = []
  for (let i = 0; i < times; i++) {
    const used = process.threadCpuUsage()
    const began = performance.now()
    step(i)
    wall.push((performance.now() - began) * 1000)
    const { user, system } = process.threadCpuUsage(used)
    cpu.push(user + system)
  }
  console.error(`${what}: done`)
  return { what, times, wall: spreadOf(wall), cpu: spreadOf(cpu) }
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
  timed(`difficulty of ${LONG} characters: read once`, (i) => difficulty.read(long[i % PROMPTS]!), 4 * ROUNDS),
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
    ['what', 'times', 'CPU p50 µs', 'CPU p99 µs', 'wall p50 µs', 'wall p99 µs'],
    timings.map(({ what, times, wall, cpu }) => [
      what,
      String(times),
      cpu.p50.toFixed(0),
      cpu.p99.toFixed(0),
      wall.p50.toFixed(0),
      wall.p99.toFixed(0),
    ]),
  ),
  'CPU is the time of the one thread that plans, by the clock of the kernel. Wall time holds what others took of the machine, so it says more of the load than of the router.',
  '![CPU time of a plan](plan.svg)',
].join('\n\n')

const drawn = timings.flatMap(({ what, cpu }) => {
  const name = what.replaceAll('`', '')
  return [
    { name: `${name.slice(0, 42)}, p50`, value: cpu.p50, label: `${cpu.p50.toFixed(0)} µs` },
    { name: `${name.slice(0, 42)}, p99`, value: cpu.p99, label: `${cpu.p99.toFixed(0)} µs` },
  ]
})
publish('plan', markdown, { facts, catalog: { date, models: catalog.models.length, hosts }, timings }, bars('CPU time, µs', drawn))

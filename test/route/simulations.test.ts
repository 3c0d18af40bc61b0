import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { boundOf, downAt, type HostModel, outagesOf } from '../../bench/routing/availability-outages.ts'
import { takeTime } from '../../bench/routing/availability-time.ts'
import { type YearFacts, year } from '../../bench/routing/availability-year.ts'
import { type Case, inputFactor, monthOf } from '../../bench/routing/month-bill.ts'
import { bandOf, type Mix, PUBLISHED } from '../../bench/routing/month-tasks.ts'
import { bars, seeded } from '../../bench/routing/plan-page.ts'
import { everyHost, freshRouter, orderFor, sizeWith } from '../../bench/routing/plan-world.ts'

const DAY = 86_400_000
const hosts: readonly HostModel[] = [
  { id: 'alpha', up: 0.99, firstMs: 400, dollars: ['1', '4'] },
  { id: 'beta', up: 0.99, firstMs: 400, dollars: ['1.05', '4.2'] },
  { id: 'gamma', up: 0.995, firstMs: 350, dollars: ['1.2', '4.8'] },
]
const few: YearFacts = {
  hosts,
  shared: 0,
  meanMs: 600_000,
  spanMs: 4 * DAY,
  strategy: 'availability',
  everyMs: 30_000,
  seed: 7,
}

test('hosts are up as often as they should be, and the shared cause takes all of them down for its share', () => {
  const world = { hosts, shared: 0.2, meanMs: 600_000, spanMs: 3_000 * DAY }
  const outages = outagesOf(world, seeded(1))
  const down = outages.map(downAt)
  const counts = [0, 0, 0, 0]
  const steps = 300_000
  for (let i = 0; i < steps; i++) {
    const at = (i * world.spanMs) / steps
    const now = down.map((is) => is(at) !== undefined)
    for (const [h, is] of now.entries()) if (is) counts[h]!++
    if (now.every(Boolean)) counts[3]!++
  }
  const [alpha, beta, gamma, all] = counts.map((count) => count! / steps) as [number, number, number, number]
  expect(alpha).toBeCloseTo(0.01, 3)
  expect(beta).toBeCloseTo(0.01, 3)
  expect(gamma).toBeCloseTo(0.005, 3)
  expect(all).toBeCloseTo(1 - boundOf(world), 3)
})

test('without a shared cause all are down by chance alone, and a cause that all share is the bound', () => {
  expect(1 - boundOf({ hosts, shared: 0 })).toBeCloseTo(0.01 * 0.01 * 0.005, 12)
  expect(1 - boundOf({ hosts, shared: 1 })).toBeCloseTo(0.005, 12)
})

test('every call is answered while any host is up, and the same seed is the same year', async () => {
  const first = await year(few)
  expect(first.avoidable).toBe(0)
  expect(first.failed).toBeLessThanOrEqual(first.hopeless)
  expect(first.movedOver).toBeGreaterThan(0)
  expect(first.calls).toBe((4 * DAY) / 30_000)
  expect(await year(few)).toEqual(first)
})

test('one host alone fails for as long as it is down', async () => {
  const alone = await year({ ...few, only: 'alpha' })
  expect(alone.failed).toBeGreaterThan(0)
  expect(alone.failed / alone.calls).toBeLessThan(0.05)
})

test('time of its own runs what is due in order, wakes who is no longer wanted, and is given back', async () => {
  const real = globalThis.setTimeout
  const time = takeTime(1_000, () => 0.5)
  const seen: string[] = []
  try {
    setTimeout(() => seen.push(`late ${time.clock.now()}`), 60_000)
    const never = setTimeout(() => seen.push('never'), 5)
    clearTimeout(never)
    void time.clock.sleep(10).then(() => seen.push(`early ${time.clock.now()}`))
    void time.clock.sleep(1e9, AbortSignal.abort()).then(() => seen.push('at once'))
    await time.settle()
  } finally {
    time.release()
  }
  expect(seen).toEqual(['at once', 'early 1010', 'late 61000'])
  expect(globalThis.setTimeout).toBe(real)
})

const mix: Mix = { name: 'half', source: 'a test', shares: { easy: 0.5, medium: 0.25, hard: 0.25 } }
const one = (band: Case['band'], dear: number, cheap: number, good: number): Case => ({
  band,
  input: 100,
  output: 300,
  outcomes: [
    { dollars: dear, quality: 1, picked: 'dear' },
    { dollars: cheap, quality: good, picked: 'cheap' },
  ],
})

test('a month is billed by the mix: dollars, what is saved, and how good the answers are', () => {
  const cases = [one('easy', 4, 1, 1), one('easy', 4, 1, 1), one('medium', 4, 2, 1), one('hard', 8, 8, 0)]
  const [dear, cheap] = monthOf(cases, ['dear', 'cheap'], mix, 4_000, seeded(3))
  // 4,000 tokens are ten calls of 400.
  expect(dear!.dollars).toBeCloseTo(10 * (0.5 * 4 + 0.25 * 4 + 0.25 * 8))
  expect(cheap!.dollars).toBeCloseTo(10 * (0.5 * 1 + 0.25 * 2 + 0.25 * 8))
  expect(cheap!.saving).toBeCloseTo(0.4)
  expect(cheap!.quality).toBeCloseTo(0.75)
  expect(cheap!.dollarsPerGood).toBeCloseTo(cheap!.dollars / 7.5)
  expect(cheap!.picks).toEqual([{ model: 'cheap', share: 1 }])
})

test('inputs are stretched until a quarter of all tokens is input', () => {
  const cases = [one('easy', 1, 1, 1), one('medium', 1, 1, 1), { ...one('hard', 1, 1, 1), output: 900 }]
  const factor = inputFactor(cases, mix)
  const input = 100 * factor
  const output = 0.75 * 300 + 0.25 * 900
  expect(input / (input + output)).toBeCloseTo(0.25)
})

test('the published mix is whole, and the kind of a question alone says how hard it counts', () => {
  const { easy, medium, hard } = PUBLISHED.shares
  expect(easy + medium + hard).toBeCloseTo(1)
  expect(bandOf({ ds: 'rl_mmlu', dom: 'high_school_geography' })).toBe('easy')
  expect(bandOf({ ds: 'gsm8k', dom: 'math_word' })).toBe('medium')
  expect(bandOf({ ds: 'mmlu_pro', dom: 'physics' })).toBe('hard')
})

test('the whole catalogue is planned over: more than 220 models, and the answer is one of them', () => {
  const { catalog } = everyHost()
  expect(catalog.models.length).toBeGreaterThan(220)
  const judge = () => ({ chance: () => 0.9, general: () => 0, output: () => 300 })
  const order = orderFor('auto', 'What is the capital of France?')
  const { routes } = freshRouter(catalog, judge).route(order, sizeWith(order, 1_000))
  expect(catalog.find(routes[0]!.model)).toBeDefined()
})

test('a chart holds its words as text, whatever they are', () => {
  const drawn = bars('more & less', [{ name: 'a<b', value: 2, label: '2', low: 1, high: 3 }])
  expect(drawn).toContain('<title>more &amp; less</title>')
  expect(drawn).toContain('a&lt;b')
})

test('docs/routing.md tells the weights that strategies have', () => {
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
  const code = read('src/route/strategies.ts').matchAll(
    /^ {2}(\w+): \{ cost: ([\d.]+), latency: ([\d.]+), failing: ([\d.]+)/gm,
  )
  const told = read('docs/routing.md').matchAll(/^\| `(\w+)`[^|]*\| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|/gm)
  const weights = [...code].map((found) => found.slice(1, 5))
  expect(weights).toHaveLength(4)
  expect([...told].map((found) => found.slice(1, 5))).toEqual(weights)
})

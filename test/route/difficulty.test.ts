import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { packWeights, readWeights, unpackWeights } from '../../src/route/difficulty/weights.ts'
import { createDifficulty, loadDifficulty } from '../../src/route/difficulty.ts'

const difficulty = loadDifficulty()
const FILE = join(import.meta.dirname, '../../data/difficulty.bin')
const WEAK = 'llama-3-8b'
const STRONG = 'gpt-4o-2024-08-06'
const chance = (model: string, text: string): number =>
  difficulty.chance(difficulty.known(model)!, difficulty.read(text))

const EASY = 'Tom has 3 apples and buys 4 more. How many apples does he have?'
const HARD =
  'Let $a$, $b$, $c$ be the roots of $x^3 - 7x^2 + 5x + 2 = 0$. Find \\[\\frac{a}{bc + 1} + \\frac{b}{ca + 1} + \\frac{c}{ab + 1}.\\]'

test('the weights fit into a megabyte', () => {
  expect(statSync(FILE).size).toBeLessThan(1_000_000)
})

test('a file that is no weights file is refused with what to do', () => {
  expect(() => unpackWeights(Buffer.from('{"not": "weights"}'))).toThrow('npm run train')
  expect(Buffer.from(packWeights(readWeights())).equals(readFileSync(FILE))).toBe(true)
})

test('an easy word problem is easy for all, competition mathematics is harder and parts the strong from the weak', () => {
  expect(chance(WEAK, EASY)).toBeGreaterThan(0.7)
  expect(chance(WEAK, HARD)).toBeLessThan(0.5)
  expect(chance(STRONG, HARD) - chance(WEAK, HARD)).toBeGreaterThan(chance(STRONG, EASY) - chance(WEAK, EASY))
})

test('any text has a reading that is a number: empty, endless, foreign, broken', () => {
  const texts = [
    '',
    ' ',
    '\n\n\n',
    'a',
    '9'.repeat(9_000),
    '帮我查一下天气',
    'é'.repeat(3_000),
    '\ud800\udc00\ud800',
    '\\{}$^_'.repeat(999),
  ]
  for (const text of texts) {
    const reading = difficulty.read(text)
    expect([...reading.z].every(Number.isFinite), JSON.stringify(text.slice(0, 20))).toBe(true)
    for (const model of [WEAK, STRONG]) {
      const value = difficulty.chance(difficulty.known(model)!, reading)
      expect(value).toBeGreaterThan(0)
      expect(value).toBeLessThan(1)
    }
    expect(difficulty.expectedOutput(reading)).toBeGreaterThanOrEqual(4)
    expect(difficulty.expectedOutput(reading)).toBeLessThanOrEqual(2_000)
    expect(reading.familiar).toBeGreaterThanOrEqual(0)
    expect(reading.familiar).toBeLessThanOrEqual(1)
  }
})

test('a reading does not depend on what was read before, and an empty prompt is an average one', () => {
  const before = [...difficulty.read(HARD).z]
  difficulty.read(EASY)
  expect([...difficulty.read(HARD).z]).toEqual(before)
  expect([...difficulty.read('').z].every((x) => x === 0)).toBe(true)
})

test('of a long text head and tail are read: the middle changes nothing', () => {
  const text = (middle: string) => `${'word '.repeat(360)}${middle.repeat(400)}${'end of it '.repeat(70)}`
  expect([...difficulty.read(text('alpha ')).z]).toEqual([...difficulty.read(text('omega ')).z])
})

test('a labelled model is known with its lab and without, and by its name without a date; others are not', () => {
  expect(difficulty.known('openai/gpt-4o')).toEqual(difficulty.known(STRONG))
  expect(difficulty.known('meta/llama-3.1-8b-instruct')).toEqual(difficulty.known('llama-3.1-8b'))
  expect(difficulty.known('mistral/mistral-large-2512')).toBeUndefined()
  expect(difficulty.known(`openai/${STRONG}`)).toEqual(difficulty.known(STRONG))
  expect(difficulty.known('somebody/else')).toBeUndefined()
})

test('no better score ever makes a model less able', () => {
  const keys = [
    'gsm8k',
    'mmlu',
    'mmlu_pro',
    'math_l5',
    'gpqa-diamond',
    'swe-bench-pro',
    'aider-polyglot',
    'terminal-bench-hard',
  ]
  const other = { 'swe-bench-verified': 60, gsm8k: 0.9 }
  for (const key of keys)
    for (const rest of [{}, other]) {
      const levels = [1, 5, 20, 40, 60, 80, 95, 99].map(
        (score) => difficulty.fromScores({ ...rest, [key]: score / 100 })!.b,
      )
      for (let i = 1; i < levels.length; i++)
        expect(levels[i]!, key).toBeGreaterThanOrEqual(levels[i - 1]! - 1e-6)
    }
})

test('scores are shares or per cent, ratings such as Elo say nothing', () => {
  expect(difficulty.fromScores({ 'gpqa-diamond': 62 })!.b).toBeCloseTo(
    difficulty.fromScores({ 'gpqa-diamond': 0.62 })!.b,
    6,
  )
  expect(difficulty.fromScores({ 'swe-bench-pro': 1_720 })).toBeUndefined()
  expect(difficulty.fromScores({})).toBeUndefined()
  expect(difficulty.fromScores({ 'a benchmark of tomorrow': 55 })).toBeUndefined()
})

test('models of today are abler than those that were labelled, and answer hard prompts better', () => {
  const today = difficulty.fromScores({ 'swe-bench-pro': 64.3, 'terminal-bench': 73.8 })!
  expect(today.b).toBeGreaterThan(difficulty.known(STRONG)!.b)
  for (const text of [
    EASY,
    HARD,
    'def f(n):\n    """Return the n-th prime."""\n',
    'Write a haiku about autumn.',
  ])
    expect(difficulty.chance(today, difficulty.read(text))).toBeGreaterThan(chance(WEAK, text))
})

test('a dearer model of which nothing else is known is expected to be abler, and less is sure of it', () => {
  const prices = [0.05, 0.4, 2, 15, 75].map((price) => difficulty.fromPrice(price))
  for (let i = 1; i < prices.length; i++) expect(prices[i]!.b).toBeGreaterThan(prices[i - 1]!.b)
  for (const price of [0, Number.NaN, -1]) expect(Number.isFinite(difficulty.fromPrice(price).b)).toBe(true)
  expect(prices[0]!.sure).toBeLessThan(difficulty.fromScores({ gsm8k: 0.9 })!.sure)
})

test('what is not sure counts against a model', () => {
  const ability = difficulty.known(STRONG)!
  const reading = difficulty.read(EASY)
  expect(difficulty.chance({ ...ability, sure: 0.1 }, reading)).toBeLessThan(
    difficulty.chance(ability, reading),
  )
})

test('a wordier model is expected to write more', () => {
  const reading = difficulty.read(EASY)
  expect(difficulty.expectedOutput(reading, 2)).toBeCloseTo(2 * difficulty.expectedOutput(reading), 6)
})

test('the chances that it names come true on the prompts that it learned from', () => {
  const lines = gunzipSync(
    readFileSync(join(import.meta.dirname, '../../data/routing/train_core.jsonl.gz')),
  ).toString()
  const rows = lines
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { ds: string; p: string; q: string })
  const own = rows.filter(({ ds }, i) => ds === 'rl_mmlu' && i % 5 === 0)
  const ability = difficulty.known('mixtral-8x7b')!
  const said = own.map(({ p }) => difficulty.chance(ability, difficulty.read(p)))
  const real = own.map(({ q }) => Number(q[0]))
  const mean = (list: readonly number[]) => list.reduce((sum, x) => sum + x, 0) / list.length
  expect(Math.abs(mean(said) - mean(real))).toBeLessThan(0.05)
  const sure = said.map((x, i) => [x, real[i]!] as const).sort((a, b) => a[0] - b[0])
  const low = mean(sure.slice(0, sure.length >> 2).map(([, y]) => y))
  const high = mean(sure.slice(-(sure.length >> 2)).map(([, y]) => y))
  expect(high - low).toBeGreaterThan(0.3)
})

test('a decision over twenty models takes microseconds', () => {
  const own = createDifficulty(readWeights())
  const ability = own.known(STRONG)!
  const text = `${HARD} `.repeat(14).slice(0, 2_000)
  const times = Array.from({ length: 400 }, () => {
    const from = process.hrtime.bigint()
    const reading = own.read(text)
    for (let i = 0; i < 20; i++) own.chance(ability, reading)
    return Number(process.hrtime.bigint() - from) / 1_000
  }).sort((a, b) => a - b)
  // A tenth of this is usual; the machine may be busy.
  expect(times[20]!).toBeLessThan(500)
})

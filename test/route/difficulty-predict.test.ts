import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Asked, predict } from '../../tools/routing/predict.ts'

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'farebox-predict-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const write = (name: string, value: unknown): string => {
  const file = join(dir, name)
  writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value))
  return file
}

type Answer = { id: unknown; q: Record<string, number>; choice?: string }

const ask = async (asked: Omit<Asked, 'predict' | 'out'>, rows?: readonly unknown[]): Promise<Answer[]> => {
  const usual = [
    { id: 'a', p: 'What is 7 times 8?' },
    { id: 2, ds: 'any', dom: 'any', p: 'Prove it.', t: [{ name: 'search' }] },
  ]
  const lines = (rows ?? usual).map((row) => JSON.stringify(row)).join('\n')
  const out = join(dir, 'out.jsonl')
  await predict({ ...asked, predict: write('rows.jsonl', `${lines}\n`), out })
  return readFileSync(out, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Answer)
}

const MODELS = 'gpt-4o-2024-08-06,llama-3.1-8b'

test('each prompt is answered with a chance for each model, in order', async () => {
  const answers = await ask({ models: MODELS })
  expect(answers.map(({ id }) => id)).toEqual(['a', 2])
  for (const { q } of answers) {
    expect(Object.keys(q)).toEqual(MODELS.split(','))
    for (const chance of Object.values(q)) expect(chance).toBeGreaterThan(0)
  }
})

test('neither the data set nor the subject changes an answer', async () => {
  const [plain, named] = await ask({ models: MODELS }, [
    { id: 1, p: 'Define entropy.' },
    { id: 1, ds: 'gsm8k', dom: 'physics', p: 'Define entropy.' },
  ])
  expect(named).toEqual(plain)
})

test('new models come by their priors, in both shapes, and a better score is a better chance', async () => {
  const priors = write('priors.json', {
    newer: { mmlu_pro: { acc: 0.72, n: 500, out_tokens: 90 }, gsm8k: { acc: 0.97, n: 500 } },
    older: { mmlu_pro: 0.31, gsm8k: 55, rating: 1_250 },
    other: { 'a benchmark of their own': 0.5 },
  })
  const [{ q }] = (await ask({ models: `${MODELS},newer,older,other`, priors })) as [Answer]
  expect(q['newer']).toBeGreaterThan(q['older']!)
  expect(q['other']).toBeGreaterThan(0)
})

test.each([
  { 'gpt-4o-2024-08-06': [2.5, 10], 'llama-3.1-8b': [0.1, 0.1] },
  { 'gpt-4o-2024-08-06': { in: 2.5, out: 10 }, 'llama-3.1-8b': { input: 0.1, output: 0.1 } },
  { some: { price_in_out_per_Mtok: { 'gpt-4o-2024-08-06': [2.5, 10], 'llama-3.1-8b': [0.1, 0.1] } } },
])('with prices and a setting it chooses: %j', async (file) => {
  const prices = write('prices.json', file)
  for (const setting of ['balanced', 'cost', 'latency', 'availability']) {
    const answers = await ask({ models: MODELS, prices, setting })
    for (const { choice } of answers) expect(MODELS.split(',')).toContain(choice)
  }
})

test('what is missing is said with what to do', async () => {
  await expect(ask({ models: 'nobody' })).rejects.toThrow('--priors')
  await expect(ask({ models: MODELS, setting: 'balanced' })).rejects.toThrow('--prices')
  await expect(ask({ models: MODELS, setting: 'best' })).rejects.toThrow('balanced, cost, latency')
  const prices = write('prices.json', { 'llama-3.1-8b': [0.1, 0.1] })
  await expect(ask({ models: MODELS, setting: 'cost', prices })).rejects.toThrow('gpt-4o-2024-08-06')
})

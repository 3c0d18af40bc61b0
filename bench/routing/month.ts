/** `npm run bench:routing`, second part: what a month of a billion tokens costs. Simulated; no network, no chain. */
import { type Catalog, createCatalog, type Model } from '../../src/catalog/catalog.ts'
import { parseRate, printRate, type Rate } from '../../src/money.ts'
import { packWeights, unpackWeights } from '../../src/route/difficulty/weights.ts'
import { createDifficulty, type Difficulty, loadDifficulty } from '../../src/route/difficulty.ts'
import { createJudge, type Judged } from '../../src/route/judge.ts'
import type { Strategy } from '../../src/route/strategies.ts'
import {
  type Manifest,
  type Row,
  readManifest,
  readPriors,
  readReferences,
  readRows,
} from '../../tools/routing/data.ts'
import { learn } from '../../tools/routing/learn.ts'
import { type Case, inputFactor, type Line, monthOf, type Outcome } from './month-bill.ts'
import { asTheyAre, bandOf, type Mix, PUBLISHED, sample } from './month-tasks.ts'
import { bars, publish, runFacts, runLine, seeded, table } from './plan-page.ts'
import { everyHost, freshRouter, orderFor, sizeWith } from './plan-world.ts'

const SEED = 20261121
const TOKENS = 1e9
const EACH = 300
const PARTS = 5
const STRATEGIES: readonly Strategy[] = ['balanced', 'cost', 'latency', 'availability']

const facts = runFacts(SEED)
const random = seeded(SEED)
const manifest = readManifest()
const priors = readPriors()
const all = readRows(manifest)
const unseen = sample(
  all.filter(({ group }) => group % PARTS === 0),
  EACH,
  random,
)
const mixes = [PUBLISHED, asTheyAre(all)]

/** Weights of the same making as those that ship, but from the questions that are not asked here. */
const learnApart = (): Difficulty => {
  const rows = all.filter(({ group }) => group % PARTS !== 0)
  const lesson = { rows, manifest, priors, references: readReferences(priors) }
  const weights = learn(lesson, undefined, (text) => console.error(text))
  return createDifficulty(unpackWeights(packWeights(weights)))
}

const plain = (difficulty: Difficulty, row: Row): Judged =>
  createJudge(difficulty)(orderFor('auto', row.p), { features: [], input: 0 })

/** (a) Every question goes to the pool of its own data set, whose answers were judged. */
const labelled = (mix: Mix, difficulty: Difficulty): { lines: Line[]; sets: SetLine[] } => {
  const rows = unseen.filter(({ ds, q }) => manifest[ds]!.tiers.every((model) => q.has(model)))
  const catalogs = new Map(Object.keys(manifest).map((ds) => [ds, catalogOf(manifest, ds)]))
  const long = (row: Row, model: string) => row.o?.get(model) ?? manifest[row.ds]!.default_out_tokens
  const bases = rows.map((row) => {
    const flagship = manifest[row.ds]!.tiers[0]!
    return { band: bandOf(row), input: row.p.length / 4, output: long(row, flagship) }
  })
  const factor = inputFactor(bases, mix)
  const judge = createJudge(difficulty)
  const cases = rows.map((row, i): Case => {
    const { tiers, price_in_out_per_Mtok: prices } = manifest[row.ds]!
    const input = bases[i]!.input * factor
    const outcome = (model: string): Outcome => {
      const [dear, dearer] = prices[model]!
      return {
        picked: model,
        quality: row.q.get(model)!,
        dollars: (input * dear + long(row, model) * dearer) / 1e6,
      }
    }
    const router = freshRouter(catalogs.get(row.ds)!, judge)
    const chosen = STRATEGIES.map((strategy) => {
      const order = orderFor(`auto:${strategy}`, row.p)
      return outcome(router.route(order, sizeWith(order, Math.round(input))).routes[0]!.model)
    })
    const outcomes = [outcome(tiers[0]!), outcome(tiers[Math.floor(tiers.length / 2)]!), ...chosen]
    return { ...bases[i]!, input, outcomes }
  })
  const policies = [
    'always the flagship of its pool',
    'always the middle of its pool',
    ...STRATEGIES.map((one) => `auto:${one}`),
  ]
  const sets = Object.keys(manifest).flatMap((ds) =>
    setLine(
      ds,
      cases.filter((_, i) => rows[i]!.ds === ds),
    ),
  )
  return { lines: monthOf(cases, policies, mix, TOKENS, seeded(SEED + 1)), sets }
}

/** A data set by itself: quality and saving of each strategy as shares of its flagship's. */
type SetLine = { ds: string; questions: number; points: { ratio: number; saving: number }[] }

const setLine = (ds: string, cases: readonly Case[]): SetLine[] => {
  if (cases.length === 0) return []
  const sum = (p: number, of: (one: Outcome) => number) =>
    cases.reduce((total, { outcomes }) => total + of(outcomes[p]!), 0)
  const against = (p: number) => ({
    ratio: sum(p, ({ quality }) => quality) / sum(0, ({ quality }) => quality),
    saving: 1 - sum(p, ({ dollars }) => dollars) / sum(0, ({ dollars }) => dollars),
  })
  return [{ ds, questions: cases.length, points: [1, 2, 3, 4, 5].map(against) }]
}

const catalogOf = (sets: Manifest, ds: string): Catalog => {
  const { tiers, price_in_out_per_Mtok: prices } = sets[ds]!
  return createCatalog(
    tiers.map((id): Model => {
      const [input, output] = prices[id]!.map((one) => parseRate(String(one)) as Rate) as [Rate, Rate]
      const host = {
        provider: 'list',
        model: id,
        prices: { input, output, cachedInput: input, cacheWrite: input },
      }
      return {
        id,
        kind: 'chat',
        hosts: [host],
        context: 100_000,
        maxOutput: 8_000,
        imageTokens: { low: 300, high: 3_000 },
        capabilities: undefined,
      }
    }),
  )
}

type Shop = { name: string; flagship: string; middle: string; often?: string; only?: string[] }

/** (b) Models of today at their published prices; how good an answer is nobody has judged, so it is estimated. */
const today = (mix: Mix, difficulty: Difficulty, shop: Shop): Line[] => {
  const { catalog } = everyHost()
  const judge = createJudge(difficulty)
  const router = freshRouter(catalog, judge)
  const bases = unseen.map((row) => {
    const judged = plain(difficulty, row)
    return {
      row,
      judged,
      band: bandOf(row),
      input: row.p.length / 4,
      output: judged.output(catalog.find(shop.flagship)!),
    }
  })
  const factor = inputFactor(bases, mix)
  const fixed = [shop.flagship, shop.middle, ...(shop.often ? [shop.often] : [])]
  const cases = bases.map(({ row, judged, band, input: read, output }): Case => {
    const input = read * factor
    const always = (id: string): Outcome => {
      const model = catalog.find(id)!
      const host = model.hosts.find(({ provider }) => provider === id.split('/')[0]) ?? model.hosts[0]!
      const rate = (one: Rate) => Number(printRate(one)) / 1e6
      const dollars = input * rate(host.prices.input) + judged.output(model) * rate(host.prices.output)
      return { picked: model.id, quality: judged.chance(model), dollars }
    }
    const chosen = STRATEGIES.map((strategy): Outcome => {
      const order = orderFor(`auto:${strategy}`, row.p, shop.only ? { provider: { only: shop.only } } : {})
      const { routes, rows } = router.route(order, sizeWith(order, Math.round(input)))
      const first = rows.find(({ route }) => route === routes[0])!
      return { picked: first.route.model, quality: first.quality, dollars: first.cost }
    })
    return { band, input, output, outcomes: [...fixed.map(always), ...chosen] }
  })
  const policies = [...fixed.map((id) => `always ${id}`), ...STRATEGIES.map((one) => `auto:${one}`)]
  return monthOf(cases, policies, mix, TOKENS, seeded(SEED + 2))
}

const SHOPS: readonly Shop[] = [
  {
    name: 'every host of the catalogue',
    flagship: 'anthropic/claude-opus-5',
    middle: 'anthropic/claude-sonnet-4-6',
    often: 'deepseek/deepseek-v4-flash-0731',
  },
  {
    name: 'Anthropic, OpenAI and Google alone',
    flagship: 'anthropic/claude-opus-5',
    middle: 'anthropic/claude-sonnet-4-6',
    often: 'google/gemini-3.8-flash',
    only: ['anthropic', 'openai', 'google'],
  },
]

const money = (value: number) => (value < 100 ? value.toFixed(2) : Math.round(value).toLocaleString('en-US'))
const share = (value: number) => `${(100 * value).toFixed(1).replace('-0.0', '0.0')} %`
const span = ([low, high]: [number, number], print: (value: number) => string) =>
  `${print(low)} to ${print(high)}`

const tableOf = (lines: readonly Line[], good: string): string =>
  table(
    ['policy', '$ a month', '95 %', 'saved', '95 %', good, '95 %', '$ per 1,000 good', 'chooses most'],
    lines.map((line) => [
      line.policy,
      money(line.dollars),
      span(line.dollarsWithin, money),
      share(line.saving),
      span(line.savingWithin, share),
      line.quality.toFixed(3),
      span(line.qualityWithin, (value) => value.toFixed(3)),
      money(line.dollarsPerGood * 1_000),
      line.picks
        .slice(0, 2)
        .map((one) => `${one.model} ${Math.round(100 * one.share)} %`)
        .join(', '),
    ]),
  )

const learned = learnApart()
const shipped = loadDifficulty()
const results = mixes.map((mix) => {
  console.error(mix.name)
  return {
    mix,
    labelled: labelled(mix, learned),
    today: SHOPS.map((shop) => ({ shop: shop.name, lines: today(mix, shipped, shop) })),
  }
})

const markdown = [
  '# A month of a billion tokens',
  `${runLine(facts)} Simulated: no provider was asked.`,
  `${EACH} questions of each difficulty (all where there are fewer) from the fifth of the training data that the weights of table (a) have not seen. A quarter of the tokens are input at the flagship: inputs are stretched to that (as a history would), outputs are as long as they were or are expected to be. Intervals: 1,000 bootstraps over questions, within each difficulty.`,
  'Table (a) is measured: each question goes to the models of its own data set (two to four of 2023 and 2024, at the list prices of then), whose answers were judged by the data set. Its flagship differs by data set. Table (b) is **estimated by the same model that decides**, so it says what the router believes, not what is true: a model that is believed to be better than it is makes `auto` look better than it is. Reasoning that is billed and not shown is not in the expected lengths.',
  ...results.flatMap(({ mix, labelled: lines, today: shops }) => [
    `## ${mix.name}: ${Object.entries(mix.shares)
      .map(([band, part]) => `${band} ${share(part)}`)
      .join(', ')}`,
    `Source: ${mix.source}.`,
    '### (a) Labelled pools: real quality, real cost',
    tableOf(lines.lines, 'right'),
    'Each data set by itself: what is kept of the right answers of its flagship, and what is saved.',
    table(
      ['data set', 'questions', 'middle', ...STRATEGIES],
      lines.sets.map(({ ds, questions, points }) => [
        ds,
        String(questions),
        ...points.map(({ ratio, saving }) => `${share(ratio)} kept, ${share(saving)} saved`),
      ]),
    ),
    ...shops.flatMap(({ shop, lines: estimated }) => [
      `### (b) Today, ${shop}: estimated quality`,
      tableOf(estimated, 'expected right'),
    ]),
  ]),
  '![What is saved against always asking the flagship](month.svg)',
].join('\n\n')

const [first] = results
const drawn = [
  ...first!.labelled.lines.slice(1).map((line) => ({ line, prefix: '(a)' })),
  ...first!.today[0]!.lines.slice(1).map((line) => ({ line, prefix: '(b)' })),
].map(({ line, prefix }) => ({
  name: `${prefix} ${line.policy}`.slice(0, 42),
  value: 100 * line.saving,
  label: `${share(line.saving)}, ${line.quality.toFixed(3)} right`,
  low: 100 * line.savingWithin[0],
  high: 100 * line.savingWithin[1],
}))
publish(
  'month',
  markdown,
  { facts, tokens: TOKENS, each: EACH, results },
  bars('Saved against always the flagship, %; (a) measured, (b) estimated', drawn),
)

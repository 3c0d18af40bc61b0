/** The evaluation: folds of questions, data sets left out whole, new models from priors, time; into bench/routing/. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { readWeights, type Weights } from '../../src/route/difficulty/weights.ts'
import { createDifficulty } from '../../src/route/difficulty.ts'
import {
  type Manifest,
  type Priors,
  type Row,
  readManifest,
  readPriors,
  readReferences,
  readRows,
} from './data.ts'
import { type Lesson, learn, PLAN } from './learn.ts'
import { measure, type Parts, type Result } from './measure.ts'
import type { Judge } from './pools.ts'
import { type Scores, withBenchmarks } from './predict.ts'
import { type Summary, summaryOf, svgOf, tableOf } from './print.ts'

const OUT = new URL('../../bench/routing/', import.meta.url)

export type Report = {
  questions: { results: Result[]; summary: Summary }
  sets: { results: Result[]; summary: Summary }
  newModels: { models: readonly string[]; labelled: number; priors: number; lost: number }
  time: { mean: number; p50: number; p99: number; long: number }
}

/** One data set of one split a line, then what is left. */
export const linesOf = ({ questions, sets, newModels, time }: Report): string =>
  [
    ...questions.results.map((one) => ({ split: 'questions', ...one })),
    ...sets.results.map((one) => ({ split: 'sets', ...one })),
    { split: 'questions', all: questions.summary },
    { split: 'sets', all: sets.summary },
    { newModels, time },
  ]
    .map((line) => `${JSON.stringify(line, (_, x) => (typeof x === 'number' ? Number(x.toFixed(4)) : x))}\n`)
    .join('')

export const report = async ({ folds }: { folds: number }): Promise<void> => {
  const manifest = readManifest()
  const priors = readPriors()
  const lesson: Lesson = { rows: readRows(manifest), manifest, priors, references: readReferences(priors) }
  const questions = byQuestion(lesson, folds)
  const sets = bySet(lesson)
  const made: Report = {
    questions: { results: questions, summary: summaryOf(questions) },
    sets: { results: sets, summary: summaryOf(sets) },
    newModels: withoutLabels(lesson, folds),
    time: timeOf(lesson.rows),
  }
  mkdirSync(OUT, { recursive: true })
  const table = tableOf(made)
  writeFileSync(new URL('results.md', OUT), table)
  writeFileSync(new URL('curves.svg', OUT), svgOf(made))
  writeFileSync(new URL('results.jsonl', OUT), linesOf(made))
  console.log(table)
}

/** Fewer nets than `npm run train` makes: many weights are learned here. */
const QUICK = { ...PLAN, seeds: PLAN.seeds.slice(0, 4) }

const taught = (lesson: Lesson, rows: readonly Row[], what: string): Weights => {
  console.error(`training without ${what}`)
  return learn({ ...lesson, rows }, QUICK)
}

/** Judges by labels; models that the training rows never showed are judged by their priors. */
const judgeOf = (weights: Weights, priors: Priors, set?: string): Judge => {
  const difficulty = createDifficulty(weights)
  return {
    difficulty,
    abilityOf: (model) => {
      const ability = difficulty.known(model) ?? difficulty.fromScores(sharesOf(priors, model, set))
      if (!ability) throw new Error(`nothing is known of ${model}`)
      return ability
    },
  }
}

const sharesOf = (priors: Priors, model: string, set?: string): Record<string, number> =>
  Object.fromEntries(
    Object.entries(priors[model] ?? {}).flatMap(([name, { acc }]) =>
      set === undefined || name === set ? [[name, acc]] : [],
    ),
  )

const partsOf = (manifest: Manifest, test: readonly { rows: readonly Row[]; judge: Judge }[]): Parts[] =>
  Object.entries(manifest).flatMap(([set, data]) => {
    const parts = test
      .map(({ rows, judge }) => ({ rows: rows.filter(({ ds }) => ds === set), judge }))
      .filter(({ rows }) => rows.length > 0)
    return parts.length === 0 ? [] : [{ set, data, parts }]
  })

/** Every question is judged by weights that saw neither it nor its near-duplicates. */
const byQuestion = (lesson: Lesson, folds: number): Result[] => {
  const test = Array.from({ length: folds }, (_, k) => {
    const own = (row: Row) => row.group % folds === k
    const weights = taught(
      lesson,
      lesson.rows.filter((row) => !own(row)),
      `part ${k + 1} of ${folds} of the questions`,
    )
    return { rows: lesson.rows.filter(own), judge: judgeOf(weights, lesson.priors) }
  })
  return partsOf(lesson.manifest, test).map(measure)
}

/** Every data set is judged by weights that saw nothing of it; its models without other labels come from their mean score on it. */
const bySet = (lesson: Lesson): Result[] =>
  Object.keys(lesson.manifest).flatMap((set) => {
    const held = lesson.rows.filter(({ ds }) => ds === set)
    const groups = new Set(held.map(({ group }) => group))
    const rest = lesson.rows.filter(({ ds, group }) => ds !== set && !groups.has(group))
    const scores: Scores = Object.fromEntries(
      Object.entries(lesson.priors).flatMap(([model, own]) =>
        own[set] ? [[model, { [set]: { score: own[set].acc } }]] : [],
      ),
    )
    const weights = withBenchmarks(taught(lesson, rest, `the data set ${set}`), scores)
    return partsOf(lesson.manifest, [{ rows: held, judge: judgeOf(weights, lesson.priors, set) }]).map(
      measure,
    )
  })

/** Five models of the pools, of which the training is shown no label at all. */
const NEW = [
  'gpt-4o-mini-2024-07-18',
  'gemini-1.5-flash',
  'gemini-1.5-flash-002',
  'llama-3.1-8b',
  'gemma-2-9b-it',
]

const withoutLabels = (lesson: Lesson, folds: number): Report['newModels'] => {
  const test = lesson.rows.filter(({ group }) => group % folds === 0)
  const rest = lesson.rows.filter(({ group }) => group % folds !== 0)
  const blind = rest.map((row) => ({
    ...row,
    q: new Map([...row.q].filter(([model]) => !NEW.includes(model))),
  }))
  const references = lesson.references.map((one) => ({
    ...one,
    scores: Object.fromEntries(Object.entries(one.scores).filter(([model]) => !NEW.includes(model))),
  }))
  const saving = (weights: Weights): number =>
    summaryOf(partsOf(lesson.manifest, [{ rows: test, judge: judgeOf(weights, lesson.priors) }]).map(measure))
      .mean
  const labelled = saving(taught(lesson, rest, `part 1 of ${folds}, once more`))
  const priors = saving(taught({ ...lesson, references }, blind, 'the labels of five models'))
  return { models: NEW, labelled, priors, lost: labelled - priors }
}

const PASSES = 5

/** Microseconds of a decision with the committed weights: one reading, twenty chances. */
export const timeOf = (rows: readonly Row[]): Report['time'] => {
  const { head } = readWeights()
  const difficulty = createDifficulty(readWeights())
  const abilities = Object.keys(head.models)
    .slice(0, 20)
    .map((name) => difficulty.known(name)!)
  let sum = 0
  const decide = (text: string): number => {
    const from = process.hrtime.bigint()
    const reading = difficulty.read(text)
    for (const ability of abilities) sum += difficulty.chance(ability, reading)
    return Number(process.hrtime.bigint() - from) / 1_000
  }
  for (const { p } of rows) decide(p)
  // The best of some passes: what else the machine does is no part of a decision.
  const best = rows.map(() => Number.POSITIVE_INFINITY)
  for (let pass = 0; pass < PASSES; pass++)
    for (const [i, { p }] of rows.entries()) best[i] = Math.min(best[i]!, decide(p))
  const long = best.filter((_, i) => rows[i]!.p.length >= 1_900 && rows[i]!.p.length <= 2_100)
  const all = best.sort((a, b) => a - b)
  long.sort((a, b) => a - b)
  if (Number.isNaN(sum)) throw new Error('a chance is not a number')
  return {
    mean: all.reduce((total, x) => total + x, 0) / all.length,
    p50: all[all.length >> 1]!,
    p99: all[Math.floor(all.length * 0.99)]!,
    long: long[long.length >> 1]!,
  }
}

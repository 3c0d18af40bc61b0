/** The report as a table and as a picture. */
import type { Point } from './curve.ts'
import type { Figure, Result } from './measure.ts'
import type { Report } from './report.ts'

/** Over all data sets: savings weighted by the root of their rows, settings with equal weights. */
export type Summary = {
  mean: number
  at95: number
  at98: number
  random: Result['random']
  keywords: Result['keywords']
  balanced: Point
  cost: Point
}

export const summaryOf = (results: readonly Result[]): Summary => {
  const total = results.reduce((sum, { rows }) => sum + Math.sqrt(rows), 0)
  const rooted = (of: (one: Result) => number) =>
    results.reduce((sum, one) => sum + (Math.sqrt(one.rows) / total) * of(one), 0)
  const even = (of: (one: Result) => number) =>
    results.reduce((sum, one) => sum + of(one) / results.length, 0)
  const three = (key: 'random' | 'keywords') => ({
    mean: rooted((one) => one[key].mean),
    at95: rooted((one) => one[key].at95),
    at98: rooted((one) => one[key].at98),
  })
  const point = (key: 'balanced' | 'cost') => ({
    ratio: even((one) => one[key].ratio),
    saving: even((one) => one[key].saving),
  })
  return {
    mean: rooted((one) => one.mean.value),
    at95: rooted((one) => one.at95.value),
    at98: rooted((one) => one.at98.value),
    random: three('random'),
    keywords: three('keywords'),
    balanced: point('balanced'),
    cost: point('cost'),
  }
}

const two = (x: number): string => x.toFixed(2)
const three = (x: number): string => x.toFixed(3)
const figure = ({ value, low, high }: Figure): string => `${two(value)} (${two(low)}–${two(high)})`
const setting = ({ ratio, saving }: Point): string => `${three(ratio)} / ${two(saving)}`

const HEAD = [
  '| data set | questions | mean saving 95–99 % | at 95 % | at 98 % | random mix: mean, 98 % | keyword rules: mean, 98 % | balanced | cost first | always cheapest | oracle | APGR (rules) | ECE |',
  '|---|---|---|---|---|---|---|---|---|---|---|---|---|',
]

const rowOf = (one: Result): string =>
  `| ${[
    one.set,
    one.rows,
    figure(one.mean),
    figure(one.at95),
    figure(one.at98),
    `${two(one.random.mean)}, ${two(one.random.at98)}`,
    `${two(one.keywords.mean)}, ${two(one.keywords.at98)}`,
    setting(one.balanced),
    setting(one.cost),
    setting(one.cheapest),
    setting(one.oracle),
    one.apgr ? `${two(one.apgr.router)} (${two(one.apgr.keywords)})` : '',
    three(one.ece),
  ].join(' | ')} |`

const allOf = (all: Summary): string =>
  `| **all** | | **${two(all.mean)}** | **${two(all.at95)}** | **${two(all.at98)}** | ${two(all.random.mean)}, ${two(all.random.at98)} | ${two(all.keywords.mean)}, ${two(all.keywords.at98)} | **${setting(all.balanced)}** | **${setting(all.cost)}** | | | | |`

/** Markdown. */
export const tableOf = ({ questions, sets, newModels, time }: Report): string =>
  [
    '# What the router saves',
    '',
    'Made by `npm run eval` from data/routing. Savings are against always asking the flagship, in 2024 list prices and with the',
    'output that each model really wrote; "at 98 %" is the saving at 98 % of the flagship\'s quality. In brackets: the middle 95 % of a',
    'bootstrap over questions. Random mix: the best mixture of fixed models chosen by a coin. Keyword rules: fifteen weighted keyword',
    'dimensions. Settings are given as quality share / saving. All: weighted by the root of the questions; settings with equal weights.',
    '',
    '## New questions of known benchmarks',
    '',
    ...HEAD,
    ...questions.results.map(rowOf),
    allOf(questions.summary),
    '',
    '## Whole data sets left out',
    '',
    ...HEAD,
    ...sets.results.map(rowOf),
    allOf(sets.summary),
    '',
    '## New models',
    '',
    `Five models (${newModels.models.join(', ')}) judged by their mean scores alone, without a label: mean saving ${three(newModels.priors)}`,
    `against ${three(newModels.labelled)} with labels, ${three(newModels.lost)} lost.`,
    '',
    '## Time',
    '',
    `A decision over 20 models: ${time.mean.toFixed(1)} µs on average, ${time.p50.toFixed(1)} µs at the median, ${time.p99.toFixed(1)} µs at p99; ${time.long.toFixed(1)} µs for a prompt of 2,000 characters (each prompt: the best of five passes, one core of a shared machine).`,
    '',
  ].join('\n')

const WIDTH = 300
const HEIGHT = 210
const LEAST = 0.8

/** One small plot a data set: saving to the right, quality share upwards. */
export const svgOf = ({ questions, sets }: Report): string => {
  const columns = Math.max(questions.results.length, sets.results.length)
  const plots = [questions.results, sets.results].flatMap((results, row) =>
    results.map((one, column) =>
      plotOf(one, column * WIDTH + 20, row * HEIGHT + 50, row === 0 ? 'new questions' : 'left out'),
    ),
  )
  const width = columns * WIDTH + 40
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${2 * HEIGHT + 70}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${2 * HEIGHT + 70}" fill="white"/>`,
    '<text x="20" y="22" font-size="15">Quality (share of the flagship) against saving: router (line), random mix of fixed models (dashed), balanced and cost first (dots)</text>',
    ...plots,
    '</svg>',
    '',
  ].join('\n')
}

const plotOf = (one: Result, left: number, top: number, kind: string): string => {
  const w = WIDTH - 60
  const h = HEIGHT - 60
  const x = (saving: number) => (left + 30 + Math.max(0, Math.min(1, saving)) * w).toFixed(1)
  const y = (ratio: number) =>
    (top + 20 + (1 - (Math.max(LEAST, Math.min(1.1, ratio)) - LEAST) / (1.1 - LEAST)) * h).toFixed(1)
  const path = (points: readonly Point[]) =>
    points.map(({ saving, ratio }) => `${x(saving)},${y(ratio)}`).join(' ')
  const grid = [0.8, 0.9, 1, 1.1].map(
    (ratio) =>
      `<line x1="${x(0)}" x2="${x(1)}" y1="${y(ratio)}" y2="${y(ratio)}" stroke="#ddd"/><text x="${left}" y="${y(ratio)}" fill="#666">${ratio.toFixed(1)}</text>`,
  )
  const mix = [{ saving: 0, ratio: 1 }, ...SHARES.map((ratio) => ({ ratio, saving: mixAt(one, ratio) }))]
  const dot = ({ saving, ratio }: Point, colour: string) =>
    `<circle cx="${x(saving)}" cy="${y(ratio)}" r="4" fill="${colour}"/>`
  return [
    `<text x="${left + 30}" y="${top + 10}" font-weight="bold">${one.set}, ${kind}</text>`,
    ...grid,
    `<polyline fill="none" stroke="#999" stroke-dasharray="4 3" points="${path(mix)}"/>`,
    `<polyline fill="none" stroke="#1565c0" stroke-width="2" points="${path(one.curve)}"/>`,
    dot(one.balanced, '#2e7d32'),
    dot(one.cost, '#ef6c00'),
    `<text x="${x(0)}" y="${top + HEIGHT - 22}" fill="#666">0</text><text x="${x(0.9)}" y="${top + HEIGHT - 22}" fill="#666">saving 1</text>`,
  ].join('\n')
}

const SHARES = [0.98, 0.95]
const mixAt = (one: Result, share: number): number => (share === 0.98 ? one.random.at98 : one.random.at95)

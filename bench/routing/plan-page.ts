import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'

/** One bar of a chart; `low` and `high` draw how sure its value is. */
export type Bar = { name: string; value: number; label: string; low?: number; high?: number }

/** What a simulation was run on and with, for the first line of its page. */
export type RunFacts = { at: string; cpu: string; cores: number; node: string; load: number; seed: number }

/** Taken before the work begins: the load is that of others. */
export const runFacts = (seed: number): RunFacts => ({
  at: new Date().toISOString(),
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  node: process.version.slice(1),
  load: Math.round(loadavg()[0]! * 100) / 100,
  seed,
})

/** Where and when, in one sentence; says so when the machine had other work. */
export const runLine = ({ at, cpu, cores, node, load, seed }: RunFacts): string =>
  `${at.slice(0, 16).replace('T', ' ')} UTC, ${cores} cores of ${cpu}, Node ${node}, load average before: ${load}` +
  `${load > cores / 4 ? ' (the machine had other work)' : ''}, seed ${seed}.`

/** Evenly spread numbers from 0 to 1, the same for the same seed on every machine. */
export const seeded = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A Markdown table, padded. */
export const table = (heads: readonly string[], rows: readonly (readonly string[])[]): string => {
  const widths = heads.map((head, i) => Math.max(3, head.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, i) => (cells[i] ?? '').padEnd(width)).join(' | ')} |`
  return [line(heads), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

/** Writes the page, its numbers and its chart beside this file, and prints the page. */
export const publish = (name: string, markdown: string, facts: object, svg: string): void => {
  const file = (ending: string) => new URL(`${name}.${ending}`, import.meta.url)
  writeFileSync(file('md'), `${markdown}\n`)
  writeFileSync(file('json'), `${printed(facts)}\n`)
  writeFileSync(file('svg'), svg)
  console.log(readFileSync(file('md'), 'utf8'))
}

/** As the formatter of this repository wants it: a list of numbers or words stands on one line. */
const printed = (facts: object): string =>
  JSON.stringify(facts, null, 2).replace(
    /\[\s+([^[\]{}]*?)\s+\]/g,
    (_, inner: string) => `[${inner.replace(/\s+/g, ' ')}]`,
  )

const LEFT = 290
const WIDTH = 940
const RIGHT = 780
const TOP = 48
const STEP = 26

/** Bars from left to right, one below the other; `from` is where they begin when that is not 0. */
export const bars = (title: string, rows: readonly Bar[], from = 0): string => {
  const most = Math.max(...rows.map(({ value, high }) => high ?? value))
  const x = (value: number) =>
    Math.round(LEFT + ((RIGHT - LEFT) * (Math.max(value, from) - from)) / (most - from || 1))
  const drawn = rows.map(({ name, value, label, low, high }, i) => {
    const y = TOP + i * STEP
    const width = Math.max(1, x(value) - LEFT)
    const bar = `<rect x="${LEFT}" y="${y}" width="${width}" height="16" fill="#2471a3"/>`
    const line = `<line x1="${x(low ?? value)}" y1="${y + 8}" x2="${x(high ?? value)}" y2="${y + 8}" stroke="#111" stroke-width="2"/>`
    const end = x(high ?? value) + 8
    return `${text(LEFT - 8, y + 13, name, 'end')}${bar}${low === undefined ? '' : line}${text(end, y + 13, label, 'start')}`
  })
  const height = TOP + rows.length * STEP + 20
  const size = `width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"`
  const head = `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="12">`
  const paper = `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`
  return `${[head, `<title>${escaped(title)}</title>`, paper, text(20, 26, title, 'start'), ...drawn, '</svg>'].join('\n')}\n`
}

const text = (x: number, y: number, words: string, anchor: string): string =>
  `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="#222">${escaped(words)}</text>`

const escaped = (words: string): string =>
  words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** Sums as they are told: dollars as decimal strings, the router's own books only to those who may see them. */

import {
  type Books,
  booksOf,
  type Figures,
  figuresOf,
  type Measure,
  type UsdOfGas,
} from '../analytics/query.ts'
import type { Cell } from '../analytics/read.ts'
import type { Sums } from '../analytics/sums.ts'
import { type CsvCell, csv } from '../csv.ts'
import { printUsd, type Usd } from '../money.ts'

type Shown<T> = { [K in keyof T]: T[K] extends Usd | undefined ? string : T[K] }

/** Whether a figure says what the router earned: that is for those who may read money at the site. */
export const isOfBooks = (measure: Measure): boolean =>
  measure === 'cost' || measure === 'margin' || measure === 'unpaid'

/** How sums are told. */
export const shownOf =
  (books: boolean, usdOfGas: UsdOfGas | undefined) =>
  (sums: Sums): Shown<Figures> & Partial<Shown<Books>> =>
    printed({ ...figuresOf(sums), ...(books && booksOf(sums, usdOfGas)) }) as Shown<Figures> &
      Partial<Shown<Books>>

const printed = (figures: object): object =>
  Object.fromEntries(
    Object.entries(figures).map(([name, value]) => {
      if (typeof value === 'bigint') return [name, printUsd(value as Usd)]
      return [name, name === 'gas' ? inWei(value as Books['gas']) : value]
    }),
  )

const inWei = (gas: Books['gas']): Record<string, string> =>
  Object.fromEntries(Object.entries(gas).map(([chain, wei]) => [chain, wei.toString()]))

const COLUMNS = [
  'calls',
  'served',
  'partial',
  'failed',
  'charged',
  'refunded',
  'spend',
  'flagship',
  'savings',
  'inputTokens',
  'cachedTokens',
  'outputTokens',
] as const satisfies readonly (keyof Figures)[]
const OF_BOOKS = ['cost', 'uncosted', 'margin', 'unpaid', 'gasUsd', 'net'] as const satisfies (keyof Books)[]

export type CsvFacts = {
  by: string | undefined
  names: ReadonlyMap<string, string>
  books: boolean
  usdOfGas: UsdOfGas | undefined
}

/** Rows as CSV with a line of names; dollars and milliseconds. */
export const csvOf = (rows: readonly Cell[], { by, names, books, usdOfGas }: CsvFacts): string => {
  const own = books ? OF_BOOKS : []
  const head = ['time', ...(by ? [by, 'name'] : []), ...COLUMNS, 'p50', 'p99', ...own]
  const cells = rows.map(({ bucket, value, sums }): CsvCell[] => {
    const figures = figuresOf(sums)
    const told: Partial<Books> = books ? booksOf(sums, usdOfGas) : {}
    const { p50 = '', p99 = '' } = figures.latency ?? {}
    return [
      bucket,
      ...(by ? [value, names.get(value) ?? ''] : []),
      ...COLUMNS.map((name) => cellOf(figures[name])),
      p50,
      p99,
      ...own.map((name) => cellOf(told[name])),
    ]
  })
  return csv([head, ...cells])
}

const cellOf = (value: number | Usd | undefined): CsvCell => {
  if (value === undefined) return ''
  return typeof value === 'bigint' ? { number: printUsd(value) } : value
}

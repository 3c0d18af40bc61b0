import type { Hex } from '../assets.ts'
import type { Chain } from '../chain/chain.ts'
import { type CsvCell, csvLine } from '../csv.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Till } from '../reconcile/reconcile.ts'
import {
  decimalOf,
  type GroupBy,
  type Statement,
  type StatementRow,
  type Sums,
  statement,
} from '../reconcile/statement.ts'
import { COLUMNS } from './statement-columns.ts'

export type StatementCommandFacts = {
  ledger: Ledger
  chain: Chain
  tills: readonly Till[]
  settler: Hex
  by: string
  /** First and last day, YYYY-MM-DD in UTC. */
  from?: string | undefined
  to?: string | undefined
  format: 'text' | 'csv' | 'json'
  out: (line: string) => void
}

const GROUPS: readonly string[] = ['day', 'payer', 'asset'] satisfies GroupBy[]
const DAY_SECONDS = 86_400

/** `farebox reconcile --statement`: prints sums by day, payer or asset; 0 when they are what the chain's balances changed by. */
export const statementCommand = async (facts: StatementCommandFacts): Promise<number> => {
  const { by, format, out } = facts
  if (!GROUPS.includes(by)) throw new Error(`--statement must be one of ${GROUPS.join(', ')}`)
  const from = facts.from === undefined ? undefined : secondsOf(facts.from)
  const to = facts.to === undefined ? undefined : secondsOf(facts.to) + DAY_SECONDS
  const made = await statement({ ...facts, by: by as GroupBy, from, to })
  const head = [by === 'asset' ? 'token' : by, 'asset', ...NAMES]
  const body = [...made.rows, ...made.totals].map(cellsOf)
  if (format === 'json') out(JSON.stringify(inJson(facts.chain.id, by, made)))
  else if (format === 'csv') for (const row of [head, ...body.map(numbered)]) out(csvLine(row))
  else for (const line of [...table([head, ...body]), '', ...checks(made)]) out(line)
  return made.agrees ? 0 : 1
}

const NAMES = Object.keys(COLUMNS) as (keyof Sums)[]

const cellsOf = ({ group, book, sums }: StatementRow): string[] => [
  group,
  book.asset.symbol,
  ...NAMES.map((name) => textOf(name, sums, book.asset.decimals)),
]

/** The sums of a row are numbers, whatever they begin with. */
const numbered = ([group = '', asset = '', ...sums]: readonly string[]): CsvCell[] => [
  group,
  asset,
  ...sums.map((number) => ({ number })),
]

const textOf = (name: keyof Sums, sums: Sums, decimals: number): string =>
  name === 'calls' || name === 'gas' ? sums[name].toString() : decimalOf(sums[name], decimals)

const inJson = (chain: string, by: string, { span, rows, totals, checks: all, agrees }: Statement) => {
  const told = ({ group, book, sums }: StatementRow) => ({
    group,
    asset: book.asset.address,
    symbol: book.asset.symbol,
    ...Object.fromEntries(NAMES.map((name) => [name, textOf(name, sums, book.asset.decimals)])),
  })
  return {
    chain,
    by,
    from: span.from.toString(),
    to: span.to.toString(),
    agrees,
    rows: rows.map(told),
    totals: totals.map(told),
    checks: all.map(({ book, account, ledger, chain: seen }) => ({
      asset: book.asset.address,
      account,
      ledger: decimalOf(ledger, book.asset.decimals),
      chain: decimalOf(seen, book.asset.decimals),
    })),
  }
}

const checks = ({ checks: all, span }: Statement): string[] =>
  all.map(({ book, account, ledger, chain }) => {
    const { decimals, symbol } = book.asset
    const whose = account === 'received' ? 'our balance' : 'the settler’s balance'
    const told = `${decimalOf(ledger, decimals)} ${symbol} by the ledger, ${decimalOf(chain, decimals)} on the chain`
    return `${ledger === chain ? '✓' : '✗'} ${whose} changed in blocks ${span.from} to ${span.to}: ${told}`
  })

const table = (rows: readonly string[][]): string[] => {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)))
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')
  return rows.map((row) => line(row).trimEnd())
}

const secondsOf = (day: string): number => {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN
  if (Number.isNaN(time)) throw new Error(`${day} is not a day such as 2026-01-31`)
  return time / 1000
}

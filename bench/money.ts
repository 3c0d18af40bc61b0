import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Row as GasRow } from './gas/report.ts'
import { path } from './world.ts'

/** What one run of settlement.ts found; rates are payments a second. */
export type Backlog = {
  scheme: string
  payments: number
  unsettled: number
  intake: { perSecond: number }
  transactions: number
  gasPerPayment: number
  settledPerSecond: number
  blockFill: number
  limitedByBlockGas: boolean
}

const PAYMENTS = 3_000
const LONGEST_MS = 150_000

/** Settles a backlog on a chain of its own, with a block of 30 million gas every two seconds; undefined when that took too long. */
export const settleBacklog = (scheme: 'exact' | 'upto'): Backlog | undefined => {
  const args = [path('settlement.ts'), String(PAYMENTS), scheme]
  const ran = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: LONGEST_MS,
  })
  if (ran.status !== 0) {
    console.error(`bench: settlement.ts ended with ${ran.status ?? ran.signal}`)
    return undefined
  }
  return JSON.parse(ran.stdout) as Backlog
}

/** Gas by way, as gas/measure.ts last wrote it. */
export const gasRows = (): GasRow[] =>
  (JSON.parse(readFileSync(path('gas/results.json'), 'utf8')) as { rows: GasRow[] }).rows

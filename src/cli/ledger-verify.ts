import {
  auditLedger,
  INVARIANTS,
  type Invariant,
  type InvariantFacts,
  type Violation,
} from '../ledger/invariants.ts'
import type { Ledger } from '../ledger/ledger.ts'

export type LedgerVerifyFacts = {
  ledger: Ledger
  exposure: NonNullable<InvariantFacts['exposure']>
  /** ms */
  now: number
  out: (line: string) => void
  json: boolean
}

/** `farebox ledger verify`: prints what does not hold, or that all holds; 0 when all does, 1 when something does not. */
export const ledgerVerify = async ({
  ledger,
  exposure,
  now,
  out,
  json,
}: LedgerVerifyFacts): Promise<number> => {
  const audit = await auditLedger(ledger, { now, exposure })
  const { lines, head, calls, open, violations } = audit
  const code = violations.length === 0 ? 0 : 1
  if (json) {
    out(JSON.stringify({ holds: code === 0, ...audit }))
    return code
  }
  const seal = head ? `, sealed by ${head.slice(0, 16)}…` : ''
  out(`${lines} journal lines${seal}; ${calls} calls, ${open} of them open`)
  const names = Object.keys(INVARIANTS) as Invariant[]
  for (const name of names) {
    const found = violations.filter((one) => one.invariant === name)
    out(`${found.length === 0 ? '✓' : '✗'} ${INVARIANTS[name]}`)
    for (const line of told(found)) out(`    ${line}`)
  }
  out(
    code === 0 ? 'All of it holds.' : `${violations.length} violation${violations.length === 1 ? '' : 's'}.`,
  )
  return code
}

const SHOWN = 20

const told = (found: readonly Violation[]): string[] => [
  ...found.slice(0, SHOWN).map(({ subject, detail }) => `${subject}: ${detail}`),
  ...(found.length > SHOWN ? [`… and ${found.length - SHOWN} more; --json has them all`] : []),
]

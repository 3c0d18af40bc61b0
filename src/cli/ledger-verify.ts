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

/** `farebox ledger verify`: prints what does not hold, or that all holds; 0 when all does, 1 when something does not, 2 when it does not hold its whole past. */
export const ledgerVerify = async ({
  ledger,
  exposure,
  now,
  out,
  json,
}: LedgerVerifyFacts): Promise<number> => {
  const [first] = await ledger.journal(0, 1)
  if (first && first.seq > 1) {
    out(`Lines 1 to ${first.seq - 1} were moved to the archive, which holds the whole ledger: verify that,`)
    out('with a configuration that says store: sqlite:FILE.')
    return 2
  }
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

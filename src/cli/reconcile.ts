import { type Finding, KINDS, type Kind } from '../reconcile/match.ts'
import { type ReconcileFacts, type Report, reconcile, type Total } from '../reconcile/reconcile.ts'

export type ReconcileCommandFacts = ReconcileFacts & { json: boolean; out: (line: string) => void }

/** `farebox reconcile` on one chain: prints the report as a table or as JSON; 0 when ledger and chain agree, 1 when not. */
export const reconcileCommand = async ({ json, out, ...facts }: ReconcileCommandFacts): Promise<number> => {
  const report = await reconcile(facts)
  if (json) out(JSON.stringify(report))
  else for (const line of printReport(report)) out(line)
  return report.agrees ? 0 : 1
}

const SHOWN = 50

/** A report as lines of text: sums, counts, and the first fifty transfers that differ. */
export const printReport = (report: Report): string[] => {
  const { chain, from, to, agrees, totals, findings, gas } = report
  const differing = findings.filter((finding) => !KINDS[finding.kind].agrees)
  const hidden = differing.length - SHOWN
  return [
    `${chain}, blocks ${from} to ${to}`,
    ...totals.flatMap((total) => sums(report, total)),
    ...(gas ? gasLines(gas) : []),
    ...counted(report),
    ...(differing.length > 0 ? ['', ...table(differing.slice(0, SHOWN), totals)] : []),
    ...(hidden > 0 ? [`… and ${hidden} more; --json has them all`] : []),
    '',
    agrees ? '✓ The ledger agrees with the chain.' : '✗ The ledger and the chain differ.',
  ]
}

const sums = ({ whole }: Report, total: Total): string[] => {
  const { symbol, decimals, ledger, booked, matched, chain, float } = total
  const rows: [string, string][] = [
    ['received, by the ledger’s account', ledger],
    [whole ? 'received, by its transfers' : 'received in these blocks, by its transfers', booked],
    ['of it on the chain', matched],
    ['change of our balance on the chain', chain],
    ...(float && float.chain !== '0' ? floatRows(float) : []),
  ]
  const amounts = rows.map(([, units]) => amount(units, decimals))
  const width = Math.max(...amounts.map((one) => one.length))
  return ['', symbol, ...rows.map(([what], i) => `  ${amounts[i]!.padStart(width)}  ${what}`)]
}

const floatRows = ({ ledger, chain }: NonNullable<Total['float']>): [string, string][] => [
  ['the settler’s balance, by the ledger’s account', ledger],
  ['change of the settler’s balance on the chain', chain],
]

const gasLines = ({
  agrees,
  ledger,
  receipts,
  transactions,
  unknown,
  unseen,
}: NonNullable<Report['gas']>): string[] => {
  if (transactions + unknown.length + unseen === 0) return []
  const strange = unknown.reduce((total, one) => total + BigInt(one.gas), 0n)
  return [
    '',
    `gas ${agrees ? '✓' : '✗'}  ${ledger} wei booked; ${receipts} wei by the receipts of ${transactions} transactions`,
    ...(unknown.length > 0
      ? [`       ${strange} wei by ${unknown.length} more that the ledger did not store`]
      : []),
    ...(unseen > 0 ? [`       ${unseen} nonces were used by transactions that were not found`] : []),
  ]
}

const counted = ({ counts }: Report): string[] => {
  const kinds = (Object.keys(counts) as Kind[]).filter((kind) => counts[kind] > 0)
  const width = Math.max(0, ...kinds.map((kind) => counts[kind].toString().length))
  const name = Math.max(0, ...kinds.map((kind) => kind.length))
  const lines = kinds.map((kind) => {
    const { agrees, meaning } = KINDS[kind]
    return `${agrees ? '✓' : '✗'} ${counts[kind].toString().padStart(width)} ${kind.padEnd(name)}  ${meaning}`
  })
  return lines.length > 0 ? ['', ...lines] : ['', 'No transfers.']
}

const HEAD = ['', 'block', 'chain', 'ledger', 'from', 'to', 'call', 'transaction']

const table = (findings: readonly Finding[], totals: readonly Total[]): string[] => {
  const rows = findings.map((finding) => {
    const token = totals.find((total) => total.asset === finding.asset)!
    const units = (text: string | null) =>
      text === null ? '-' : `${amount(text, token.decimals)} ${token.symbol}`
    const { kind, block, chain, ledger, from, to, call, hash, logIndex } = finding
    return [
      kind,
      block,
      units(chain),
      units(ledger),
      short(from),
      short(to),
      call ?? '-',
      `${hash} #${logIndex}`,
    ]
  })
  const widths = HEAD.map((head, i) => Math.max(head.length, ...rows.map((row) => row[i]!.length)))
  return [HEAD, ...rows].map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd(),
  )
}

const short = (address: string): string => `${address.slice(0, 8)}…${address.slice(-4)}`

/** Units as a decimal, all digits: "-1.05" of -1050000 and six decimals. */
const amount = (units: string, decimals: number): string => {
  const [sign, digits] = units.startsWith('-') ? ['-', units.slice(1)] : ['', units]
  const padded = digits.padStart(decimals + 1, '0')
  const whole = padded.slice(0, padded.length - decimals)
  return decimals === 0 ? units : `${sign}${whole}.${padded.slice(-decimals)}`
}

import { readFileSync, writeFileSync } from 'node:fs'
import type { Row } from './book.ts'
import type { Row as GasRow } from './gas/report.ts'
import type { Machine } from './machine.ts'
import type { Backlog } from './money.ts'
import { bySchemes, firstByteAdded, ratios, verdict } from './ratios.ts'
import type { Reconciled, Tail } from './rounds/paid.ts'
import { STEADY } from './rounds/steady.ts'
import type { Storm } from './rounds/storm.ts'

/** Everything one run found. */
export type Report = {
  at: string
  seconds: number
  machine: Machine
  /** Farebox's store, by its kind, and how many instances shared it. */
  shape?: { store: string; instances: number }
  versions: Record<string, string>
  rows: Row[]
  tails: Tail[]
  storms: Storm[]
  reconciled: Reconciled
  /** Answers of 200 and transfers of the stock middleware. */
  x402: { answered: number; transfers: number }
  settlements: Backlog[]
  gas: GasRow[]
}

/** The report as Markdown: ratios first, then what they are made of. */
export const toMarkdown = (report: Report): string =>
  [
    machineLine(report),
    table(['aim', 'measured', 'is', 'of'], [...ratios(report.rows), ...report.settlements.map(backlogAim)]),
    '### By payment scheme',
    schemeTable(report.rows),
    '### JSON, 1 KB asked, 1 KB answered',
    loadTable(report.rows, 'json'),
    '### JSON, a block every second instead of one for every transaction',
    loadTable(report.rows, 'json, 1 s blocks'),
    '### Streams of 23 chunks',
    'First byte, 4 ms between chunks:',
    firstByteTable(report.rows),
    'Throughput, no pause between chunks:',
    loadTable(report.rows, 'sse'),
    '### At 150 calls a second, the mock takes 50 ms',
    steadyTable(report.rows),
    '### One payment, sent many times',
    stormTable(report.storms),
    '### After the last answer',
    tailTable(report.tails),
    reconciledLine(report),
    '### Settling a backlog, a block of 30 M gas every 2 s',
    backlogTable(report.settlements),
    '### Gas of one settled call',
    gasTable(report.gas),
    '![Gas for one settled call, by the number settled together](gas/gas.svg)',
  ].join('\n\n')

/** Replaces what stands between the markers in a file. */
export const splice = (file: string, markdown: string): void => {
  const text = readFileSync(file, 'utf8')
  const [start, end] = ['<!-- numbers:begin -->', '<!-- numbers:end -->']
  const before = text.slice(0, text.indexOf(start) + start.length)
  const after = text.slice(text.indexOf(end))
  writeFileSync(file, `${before}\n\n${markdown}\n\n${after}`)
}

const machineLine = ({ at, seconds, machine, versions, shape }: Report): string =>
  `${at.slice(0, 16).replace('T', ' ')} UTC, ${machine.cores} cores of ${machine.cpu}, ${machine.memoryGb} GB, ${machine.os}, Node ${machine.node.slice(1)}; ` +
  `${machine.pinned}. ${shape && shape.instances > 1 ? `Farebox: ${shape.instances} instances on ${shape.store}. ` : shape ? `Farebox on ${shape.store}. ` : ''}Load average before: ${machine.loadBefore}. Yardsticks: one signature recovery ${machine.recoverUs} µs, ` +
  `4 KB written and synced ${machine.fsyncUs} µs. The run took ${Math.round(seconds)} s. ` +
  `${machine.loadBefore > machine.cores / 4 ? '**The machine had other work: provisional.** ' : ''}` +
  `Peers: ${
    Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ') || 'not installed'
  }.`

const loadTable = (rows: readonly Row[], load: string): string =>
  table(
    ['who', 'in flight', 'calls/s (rounds)', 'p50 ms', 'p99 ms', 'CPU ms a call', 'failed'],
    rows
      .filter((row) => row.load === load)
      .toSorted((a, b) => a.c - b.c)
      .map((row) => [
        row.who,
        String(row.c),
        `**${row.perSecond.toFixed(0)}** (${row.rounds.map((one) => one.perSecond.toFixed(0)).join(', ')})`,
        row.p50.toFixed(2),
        row.p99.toFixed(1),
        row.cpuMs === null ? '' : row.cpuMs.toFixed(2),
        row.failed > 0 ? `${row.failed} of ${row.count + row.failed}` : '',
      ]),
  )

const firstByteTable = (rows: readonly Row[]): string =>
  table(
    ['who', 'in flight', 'first byte p50 ms', 'added ms', 'whole answer p50 ms'],
    rows
      .filter((row) => row.load === 'sse paced')
      .toSorted((a, b) => a.c - b.c)
      .map((row) => {
        const added = row.who === 'direct' ? '' : (firstByteAdded(rows, row.who, row.c)?.toFixed(2) ?? '')
        return [row.who, String(row.c), row.firstByte.toFixed(2), added, row.p50.toFixed(1)]
      }),
  )

const steadyTable = (rows: readonly Row[]): string => {
  const found = rows.filter((row) => row.load === STEADY)
  const direct = found.find((row) => row.who === 'direct')
  return table(
    ['who', 'p50 ms', 'added p50', 'p99 ms', 'added p99', 'CPU ms a call'],
    found.map((row) => {
      const added = (of: (row: Row) => number) =>
        direct && row !== direct ? (of(row) - of(direct)).toFixed(2) : ''
      const cpu = row.cpuMs === null ? '' : row.cpuMs.toFixed(2)
      const [p50, p99] = [added((one) => one.p50), added((one) => one.p99)]
      return [row.who, row.p50.toFixed(2), p50, row.p99.toFixed(2), p99, cpu]
    }),
  )
}

const stormTable = (storms: readonly Storm[]): string =>
  table(
    ['who', 'sent', 'in flight', 'upstream calls', 'statuses', 'refusal p50 ms', 'p99 ms'],
    storms.map(({ who, sent, c, upstreamCalls, statuses, refusal }) => [
      who,
      String(sent),
      String(c),
      `**${upstreamCalls}**`,
      Object.entries(statuses)
        .map(([status, count]) => `${count} × ${status}`)
        .join(', '),
      refusal.p50.toFixed(1),
      refusal.p99.toFixed(1),
    ]),
  )

const tailTable = (tails: readonly Tail[]): string =>
  table(
    ['who', 'in flight', 'calls', 'all settled after ms', 'CPU ms a call, settlement included'],
    tails.map(({ who, c, calls, settledAfterMs, cpuMsWithSettlement }) => [
      who,
      String(c),
      String(calls),
      settledAfterMs.toFixed(0),
      cpuMsWithSettlement.toFixed(2),
    ]),
  )

const schemeTable = (rows: readonly Row[]): string =>
  table(
    [
      'paid by',
      'calls/s, c=1',
      'c=16',
      'c=64',
      'CPU ms a call',
      '× stock exact',
      'CPU ×',
      'node requests a call',
      'first byte ms, 2 s blocks',
    ],
    bySchemes(rows),
  )

const BACKLOG_AIM = 300

const backlogAim = ({ scheme, settledPerSecond }: Backlog): string[] => [
  `≥ ${BACKLOG_AIM}/s`,
  `payments settled, ${scheme}, 2 s blocks of 30 M gas`,
  `${settledPerSecond.toFixed(0)}/s, ${verdict(settledPerSecond >= BACKLOG_AIM)}`,
  '',
]

const backlogTable = (backlogs: readonly Backlog[]): string =>
  table(
    [
      'scheme',
      'payments',
      'unsettled',
      'signed/s',
      'settled/s',
      'transactions',
      'gas a payment',
      'block filled',
    ],
    backlogs.map((one) => [
      one.scheme,
      String(one.payments),
      String(one.unsettled),
      String(one.intake.perSecond),
      `**${one.settledPerSecond.toFixed(0)}**`,
      String(one.transactions),
      String(one.gasPerPayment),
      `${Math.round(one.blockFill * 100)} %`,
    ]),
  )

const gasTable = (rows: readonly GasRow[]): string => {
  const sizes = [...new Set(rows.map(({ n }) => n))]
  const cell = (way: string, n: number) =>
    rows.find((row) => row.way === way && row.n === n)?.gasPerCall.toLocaleString('en-US') ?? ''
  return table(
    ['way', ...sizes.map((n) => `N = ${n}`)],
    [...new Set(rows.map(({ way }) => way))].map((way) => [way, ...sizes.map((n) => cell(way, n))]),
  )
}

const reconciledLine = ({ reconciled: { paid, booked, onChain, differ }, x402 }: Report): string =>
  `Farebox: ${paid} payments made, ${booked} transfers in the ledger, ${onChain} on the chain, ${differ} that differ. ` +
  `@x402/hono: ${x402.answered} paid answers, ${x402.transfers} transfers.`

// Padded as Biome formats it, so that the page passes the check as it is written.
const table = (heads: readonly string[], rows: readonly string[][]): string => {
  const widths = heads.map((head, i) => Math.max(3, head.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, i) => (cells[i] ?? '').padEnd(width)).join(' | ')} |`
  return [line(heads), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

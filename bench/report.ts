import { readFileSync, writeFileSync } from 'node:fs'
import type { Row } from './book.ts'
import type { Machine } from './machine.ts'
import { firstByteAdded, ratios } from './ratios.ts'
import type { Reconciled, Tail } from './rounds/paid.ts'
import type { Storm } from './rounds/storm.ts'

/** Everything one run found. */
export type Report = {
  at: string
  seconds: number
  machine: Machine
  versions: Record<string, string>
  rows: Row[]
  tails: Tail[]
  storms: Storm[]
  reconciled: Reconciled
  /** Answers of 200 and transfers of the stock middleware. */
  x402: { answered: number; transfers: number }
}

/** The report as Markdown: ratios first, then what they are made of. */
export const toMarkdown = (report: Report): string =>
  [
    machineLine(report),
    table(['aim', 'measured', 'is', 'of'], ratios(report.rows)),
    '### JSON, 1 KB asked, 1 KB answered',
    loadTable(report.rows, 'json'),
    '### JSON, a block every second instead of one for every transaction',
    loadTable(report.rows, 'json, 1 s blocks'),
    '### Streams of 23 chunks',
    'First byte, 4 ms between chunks:',
    firstByteTable(report.rows),
    'Throughput, no pause between chunks:',
    loadTable(report.rows, 'sse'),
    '### One payment, sent many times',
    stormTable(report.storms),
    '### After the last answer',
    tailTable(report.tails),
    reconciledLine(report),
  ].join('\n\n')

/** Replaces what stands between the markers in a file. */
export const splice = (file: string, markdown: string): void => {
  const text = readFileSync(file, 'utf8')
  const [start, end] = ['<!-- numbers:begin -->', '<!-- numbers:end -->']
  const before = text.slice(0, text.indexOf(start) + start.length)
  const after = text.slice(text.indexOf(end))
  writeFileSync(file, `${before}\n\n${markdown}\n\n${after}`)
}

const machineLine = ({ at, seconds, machine, versions }: Report): string =>
  `${at.slice(0, 16).replace('T', ' ')} UTC, ${machine.cores} cores of ${machine.cpu}, ${machine.memoryGb} GB, ${machine.os}, Node ${machine.node.slice(1)}; ` +
  `${machine.pinned}. Load average before: ${machine.loadBefore}. Yardsticks: one signature recovery ${machine.recoverUs} µs, ` +
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

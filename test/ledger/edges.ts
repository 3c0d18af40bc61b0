import type { Call } from '../../src/ledger/call.ts'
import type { Move } from '../../src/ledger/moves.ts'

const SERVICE = [
  'claimed dispatch dispatched',
  'claimed stream streaming',
  'dispatched stream streaming',
  'claimed bill served',
  'claimed bill partial',
  'dispatched bill served',
  'dispatched bill partial',
  'streaming bill served',
  'streaming bill partial',
  'claimed release released',
  'dispatched release released',
  'streaming release released',
  'claimed reject rejected',
] as const

const SETTLEMENT = [
  'none settle settling',
  'none stream settling',
  'none bill settling',
  'settling settle settling',
  'settling include included',
  'settling settled settled',
  'included settled settled',
  'included reorg settling',
  'settled reorg settling',
  'settling lose lost',
  'included lose lost',
] as const

/** Every edge of both state machines: from, move, to. */
export const EDGES: readonly string[] = [...SERVICE, ...SETTLEMENT]

/** A call as we think it is: its two states by name. */
export type Known = { call: Call; service: string; settlement: string }
/** The states that a move leads to; undefined for one that stays as it is. */
export type Step = { service: string | undefined; settlement: string | undefined }

const OPEN = ['claimed', 'dispatched', 'streaming']

/** Where a move leads, by the tables; a move that leads nowhere is refused as stale. */
export const stepOf = (known: Known, kind: Move['type'], partial: boolean): Step => {
  const service = next(SERVICE, known.service, kind, partial)
  // A payment is begun by an answer that brings its transaction, or by itself while the call is served.
  if (kind === 'stream' || kind === 'bill')
    return { service, settlement: service && isDue(known) ? 'settling' : undefined }
  const late = kind === 'settle' && known.settlement === 'none' && !OPEN.includes(known.service)
  return { service, settlement: late ? undefined : next(SETTLEMENT, known.settlement, kind, partial) }
}

/** The next answer of this call has to bring a settlement transaction. */
export const isDue = ({ call, settlement }: Known): boolean =>
  call.signed > 0n && !call.settleFirst && settlement === 'none'

const next = (edges: readonly string[], from: string, kind: string, partial: boolean): string | undefined => {
  const ends = edges.filter((edge) => edge.startsWith(`${from} ${kind} `)).map((edge) => edge.split(' ')[2]!)
  return ends.length > 1 ? ends.find((end) => (end === 'partial') === partial) : ends[0]
}

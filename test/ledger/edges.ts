import { type Call, fromSigned, movesWhole } from '../../src/ledger/call.ts'
import type { Move, Payable } from '../../src/ledger/moves.ts'
import { minOf } from '../../src/money.ts'

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
  'served refund served',
  'partial refund partial',
] as const

const SETTLEMENT = [
  'none due due',
  'none stream due',
  'none bill due',
  'none settle settling',
  'none stream settling',
  'none bill settling',
  'due settle settling',
  'due include included',
  'due settled settled',
  'due lose lost',
  'settling settle settling',
  'settling include included',
  'settling settled settled',
  'included settled settled',
  'included reorg settling',
  'settled reorg settling',
  'settling lose lost',
  'included lose lost',
  'lost found settled',
] as const

/** Every edge of both state machines: from, move, to. */
export const EDGES: readonly string[] = [...SERVICE, ...SETTLEMENT]

/** A call or an errand as we think it is: its states by name, and what was charged. */
export type Known = { item: Payable; service: string; settlement: string; charged: bigint; refunded: boolean }
/** The states that a move leads to; undefined for one that stays as it is. */
export type Step = { service: string | undefined; settlement: string | undefined }

const OPEN = ['claimed', 'dispatched', 'streaming']
const NOWHERE: Step = { service: undefined, settlement: undefined }

/** Where a move leads, by the tables; a move that leads nowhere is refused as stale. */
export const stepOf = (known: Known, move: Move): Step => {
  const { item } = known
  const kind = move.type
  if (item.is === 'errand') return { ...NOWHERE, settlement: next(SETTLEMENT, known.settlement, kind) }
  const whole = movesWhole(item)
  const serving = OPEN.includes(known.service)
  if (move.type === 'stream' || move.type === 'bill') {
    const begins = Boolean(move.tx ?? move.due)
    if (begins && !whole && (item.kind === 'voucher' || move.type === 'stream')) return NOWHERE
    const service = next(SERVICE, known.service, kind, move.type === 'bill' && move.partial)
    if (!service || !begins) return { service, settlement: undefined }
    // Nothing of an upto was used, so nothing is to be moved.
    const nothing =
      move.due && move.type === 'bill' && item.kind === 'upto' && moves(item, move.bill.charged) === 0n
    const to = nothing ? undefined : move.tx ? 'settling' : 'due'
    return { service, settlement: to && next(SETTLEMENT, known.settlement, kind, false, to) }
  }
  if (kind === 'refund') {
    const back = known.charged > 0n && !known.refunded && known.settlement !== 'lost'
    return back ? { ...NOWHERE, service: next(SERVICE, known.service, kind) } : NOWHERE
  }
  // A payment is begun by an answer, or by itself while a call is served whose whole payment moves.
  if ((kind === 'settle' || kind === 'due') && known.settlement === 'none' && !(whole && serving))
    return NOWHERE
  if (kind === 'found' && serving) return NOWHERE
  return { service: next(SERVICE, known.service, kind), settlement: next(SETTLEMENT, known.settlement, kind) }
}

/** What is charged of `wanted`: at most the ceiling, and no more than credit has when no payment stands behind it. */
export const chargeOf = (call: Call, wanted: bigint, paid: boolean): bigint =>
  minOf(wanted, paid || call.kind === 'voucher' ? call.ceiling : minOf(call.credit, call.ceiling))

const moves = (call: Call, wanted: bigint): bigint => fromSigned(call, chargeOf(call, wanted, true))

const next = (
  edges: readonly string[],
  from: string,
  kind: string,
  partial = false,
  to?: string,
): string | undefined => {
  const ends = edges.filter((edge) => edge.startsWith(`${from} ${kind} `)).map((edge) => edge.split(' ')[2]!)
  if (to) return ends.find((end) => end === to)
  return ends.length > 1 ? ends.find((end) => (end === 'partial') === partial) : ends[0]
}

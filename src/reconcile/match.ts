/**
 * reconcile/: does the ledger agree with the chain, transfer by transfer? compare.ts gathers, this file judges,
 * seen.ts books what nobody ordered; reconcile.ts reports, worker.ts keeps looking, repair.ts rebuilds.
 */
import type { Hex } from '../assets.ts'
import type { TransferLog } from '../chain/chain.ts'
import { type Call, isServing, isSettling, toMove } from '../ledger/call.ts'
import type { BookedTransfer, Purpose } from '../ledger/ledger.ts'
import { BATCH_SETTLEMENT } from '../wire/contracts.ts'

/** What a transfer can be, and whether the ledger and the chain agree then. */
export const KINDS = {
  matched: { agrees: true, meaning: 'in the ledger and on the chain, to the unit' },
  late: { agrees: true, meaning: 'the same, and it settled long after it was served' },
  suspense: { agrees: true, meaning: 'received and booked, and nobody knows what for' },
  in_flight: { agrees: true, meaning: 'on the chain, and the ledger waits for its confirmations' },
  internal: { agrees: true, meaning: 'moved between addresses of ours' },
  short: { agrees: false, meaning: 'fewer units on the chain than in the ledger' },
  over: { agrees: false, meaning: 'more units on the chain than in the ledger' },
  reorged: { agrees: false, meaning: 'in the ledger, and a reorganisation took its block away' },
  missing_on_chain: { agrees: false, meaning: 'in the ledger, and not on the chain' },
  missing_in_ledger: {
    agrees: false,
    meaning: 'paid with an authorization of a call or sent by our settler, and not booked',
  },
  unsolicited: { agrees: false, meaning: 'received, and no call is known for it' },
  outflow: { agrees: false, meaning: 'sent by us, and not booked' },
  funding: { agrees: false, meaning: 'put into the settler’s balance, and not booked' },
  defunding: { agrees: false, meaning: 'taken out of the settler’s balance, and not booked' },
  sweep: { agrees: false, meaning: 'paid out of the channels to us, and not booked' },
  deposit: { agrees: false, meaning: 'put into a channel of ours, and not booked' },
  withdrawal: { agrees: false, meaning: 'taken out of a channel of ours, and not booked' },
  claim: { agrees: false, meaning: 'claimed from a channel of ours, and not booked' },
} as const satisfies Record<string, { agrees: boolean; meaning: string }>

export type Kind = keyof typeof KINDS

/** One transfer as both sides tell it. Units and blocks are strings, so that it can be printed as JSON. */
export type Finding = {
  kind: Kind
  /** What it was booked for, or would be. */
  what: Purpose | 'internal'
  asset: string
  hash: Hex
  logIndex: number
  block: string
  from: Hex
  to: Hex
  /** Units that moved on the chain; null when nothing did. */
  chain: string | null
  /** Units that the ledger has, or would have, for it; null when it knows nothing. */
  ledger: string | null
  /** The call or errand. */
  call: string | null
  /** The authorization that it used up, as far as it is known. */
  claim?: string
}

/** An authorization that a transaction used, and the call that claimed it. `ours`: our settler sent it. */
export type Use = {
  hash: Hex
  payer: Hex
  payTo: Hex | undefined
  claim: string
  ours: boolean
  call: Call | undefined
}

export type MatchFacts = {
  asset: string
  /** The addresses that are paid. */
  ours: ReadonlySet<Hex>
  /** The addresses that payouts are sent from. */
  floats: ReadonlySet<Hex>
  rows: readonly BookedTransfer[]
  logs: readonly TransferLog[]
  /** Authorizations used by transactions that no row explains. */
  uses: readonly Use[]
  /** Transactions of what is still on its way, and what they are for. */
  flying: ReadonlyMap<Hex, string>
}

type Addresses = Pick<MatchFacts, 'ours' | 'floats'>

/** Judges every transfer of an asset to and from us, in the order of the chain. A row and a log are matched once. */
export const match = (facts: MatchFacts): Finding[] => {
  const { asset, rows, logs, uses } = facts
  const left = { rows: byPlace(rows), uses: [...uses] }
  const onChain = moved(logs).map((log) => judge(facts, log, left))
  const missing = [...left.rows.values()].flat().map((row) => missingOnChain(asset, row))
  return [...onChain, ...missing].toSorted(byBlock)
}

/** Transfers to the addresses that are paid that no row of the ledger stands for: those whose authorization is to be looked up. */
export const unexplained = (facts: Addresses & Pick<MatchFacts, 'rows' | 'logs'>): TransferLog[] => {
  const left = byPlace(facts.rows)
  return moved(facts.logs).filter((log) => purposeOf(facts, log) === 'inflow' && !takeRow(left, log))
}

/** Whether a booked transfer shows in the logs of our addresses; those of channels show in events of their contract. */
export const isTransfer = ({ what }: BookedTransfer): boolean =>
  what !== 'deposit' && what !== 'refund' && what !== 'withdrawal'

/** What a transfer is by its ends alone. */
export const purposeOf = (
  { ours, floats }: Addresses,
  { from, to }: Pick<TransferLog, 'from' | 'to'>,
): Extract<Purpose, keyof typeof UNBOOKED> | 'internal' => {
  if (ours.has(from)) return ours.has(to) ? 'internal' : floats.has(to) ? 'refill' : 'outflow'
  if (ours.has(to)) return floats.has(from) ? 'return' : from === BATCH_SETTLEMENT ? 'sweep' : 'inflow'
  return floats.has(from) ? (floats.has(to) ? 'internal' : 'defunding') : 'funding'
}

/** What is found where a transfer is not booked. */
const UNBOOKED = {
  inflow: 'unsolicited',
  outflow: 'outflow',
  refill: 'outflow',
  return: 'defunding',
  funding: 'funding',
  defunding: 'defunding',
  sweep: 'sweep',
} as const satisfies Partial<Record<Purpose, Kind>>

type Left = { rows: Map<string, BookedTransfer[]>; uses: Use[] }

// Anybody can make a token log a transfer of nothing, in anybody's name.
const moved = (logs: readonly TransferLog[]): TransferLog[] => logs.filter((log) => log.amount > 0n)

const judge = (facts: MatchFacts, log: TransferLog, left: Left): Finding => {
  const { asset, flying } = facts
  const what = purposeOf(facts, log)
  const seen = { asset, what, ...placeOf(log), from: log.from, to: log.to, chain: log.amount.toString() }
  const row = takeRow(left.rows, log)
  if (row) {
    const kind = differs(log.amount, row.amount) ?? (row.what === 'inflow' ? 'suspense' : 'matched')
    return { ...seen, kind, what: row.what, ledger: row.amount.toString(), call: row.call }
  }
  const unknown = { ...seen, ledger: null, call: null }
  if (what === 'internal') return { ...unknown, kind: 'internal' }
  const use = what === 'inflow' ? takeUse(left.uses, log) : undefined
  if (use?.call) return { ...seen, ...ofUse(use.call, log), claim: use.claim, call: use.call.id }
  const item = flying.get(log.hash)
  if (item !== undefined && !use) return { ...unknown, kind: 'in_flight', call: item }
  if (use) return { ...unknown, kind: use.ours ? 'missing_in_ledger' : 'unsolicited', claim: use.claim }
  return { ...unknown, kind: UNBOOKED[what] }
}

const takeRow = (rows: Map<string, BookedTransfer[]>, log: TransferLog): BookedTransfer | undefined => {
  const here = rows.get(keyOf(log)) ?? []
  const at = here.findIndex((row) => row.payer === log.from && row.payTo === log.to)
  return at === -1 ? undefined : here.splice(at, 1)[0]
}

// One transaction may use several authorizations of one payer: the one of the same amount, as long as there is one.
const takeUse = (uses: Use[], log: TransferLog): Use | undefined => {
  const fits = ({ hash, payer, payTo, call }: Use) =>
    hash === log.hash && payer === log.from && (call?.payTo ?? payTo ?? log.to) === log.to
  const exact = uses.findIndex((use) => fits(use) && use.call && toMove(use.call) === log.amount)
  const known = uses.findIndex((use) => fits(use) && use.call)
  const at = [exact, known, uses.findIndex(fits)].find((one) => one !== -1)
  return at === undefined ? undefined : uses.splice(at, 1)[0]
}

const ofUse = (call: Call, log: TransferLog): { kind: Kind; ledger: string; what: Purpose } => {
  const due = toMove(call)
  return { kind: kindOfUse(call, due, log), ledger: due.toString(), what: 'payment' }
}

const kindOfUse = (call: Call, due: bigint, log: TransferLog): Kind => {
  const wrong = differs(log.amount, due)
  // Of a call that nothing was charged for, anything that moved is not booked.
  if (wrong && due > 0n) return wrong
  if (isSettling(call) || (isServing(call) && call.settlement.at === 'none')) return 'in_flight'
  // Booked between our look at the ledger and our look at the chain.
  const booked = call.settlement.at === 'settled' && keyOf(call.settlement.proof) === keyOf(log)
  return booked ? 'matched' : 'missing_in_ledger'
}

const differs = (chain: bigint, ledger: bigint): 'short' | 'over' | undefined =>
  chain === ledger ? undefined : chain < ledger ? 'short' : 'over'

const missingOnChain = (asset: string, row: BookedTransfer): Finding => ({
  kind: 'missing_on_chain',
  what: row.what,
  asset,
  ...placeOf(row),
  from: row.payer,
  to: row.payTo,
  chain: null,
  ledger: row.amount.toString(),
  call: row.call,
})

const byPlace = (rows: readonly BookedTransfer[]): Map<string, BookedTransfer[]> => {
  const places = new Map<string, BookedTransfer[]>()
  for (const row of rows) places.set(keyOf(row), [...(places.get(keyOf(row)) ?? []), row])
  return places
}

type Place = { hash: Hex; logIndex: number; block: bigint }

const keyOf = ({ hash, logIndex }: Omit<Place, 'block'>): string => `${hash} ${logIndex}`
const placeOf = ({ hash, logIndex, block }: Place) => ({ hash, logIndex, block: block.toString() })

const byBlock = (a: Finding, b: Finding): number =>
  Number(BigInt(a.block) - BigInt(b.block)) || a.logIndex - b.logIndex

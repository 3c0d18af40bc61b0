/**
 * reconcile/: does the ledger agree with the chain, transfer by transfer? reconcile.ts gathers, this file judges.
 */
import type { Hex } from '../assets.ts'
import type { TransferLog } from '../chain/chain.ts'
import { type Call, isSettling } from '../ledger/call.ts'
import type { BookedTransfer } from '../ledger/ledger.ts'

/** What a transfer can be, and whether the ledger and the chain agree then. */
export const KINDS = {
  matched: { agrees: true, meaning: 'in the ledger and on the chain, to the unit' },
  in_flight: { agrees: true, meaning: 'on the chain, and the ledger waits for its confirmations' },
  missing_on_chain: { agrees: false, meaning: 'in the ledger as received, and not on the chain' },
  missing_in_ledger: {
    agrees: false,
    meaning: 'paid with an authorization of a call, and not booked for it',
  },
  amount_differs: { agrees: false, meaning: 'other units on the chain than in the ledger' },
  unsolicited: { agrees: false, meaning: 'received, and no call is known for it' },
  outflow: { agrees: false, meaning: 'sent by us: the ledger knows of no payouts' },
} as const satisfies Record<string, { agrees: boolean; meaning: string }>

export type Kind = keyof typeof KINDS

/** One transfer as both sides tell it. Units and blocks are strings, so that it can be printed as JSON. */
export type Finding = {
  kind: Kind
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
  call: string | null
}

/** A call whose authorization a transaction used. */
export type Use = { hash: Hex; call: Call }

export type MatchFacts = {
  asset: string
  /** The addresses that are ours. */
  ours: ReadonlySet<Hex>
  rows: readonly BookedTransfer[]
  logs: readonly TransferLog[]
  /** Calls whose authorization was used by a transaction that no row explains. */
  uses: readonly Use[]
}

/** Judges every transfer of an asset to and from us, in the order of the chain. A row and a log are matched once. */
export const match = ({ asset, ours, rows, logs, uses }: MatchFacts): Finding[] => {
  const left = { rows: byPlace(rows), uses: [...uses] }
  const onChain = moved(logs).map((log) => judge(asset, ours, log, left))
  const missing = [...left.rows.values()].flat().map((row) => missingOnChain(asset, row))
  return [...onChain, ...missing].toSorted(byBlock)
}

/** Transfers to us that no row of the ledger stands for: those whose authorization is to be looked up. */
export const unexplained = ({ ours, rows, logs }: Omit<MatchFacts, 'asset' | 'uses'>): TransferLog[] => {
  const left = byPlace(rows)
  return moved(logs).filter((log) => !ours.has(log.from) && !takeRow(left, log))
}

type Left = { rows: Map<string, BookedTransfer[]>; uses: Use[] }

// Anybody can make a token log a transfer of nothing, in anybody's name.
const moved = (logs: readonly TransferLog[]): TransferLog[] => logs.filter((log) => log.amount > 0n)

const judge = (asset: string, ours: ReadonlySet<Hex>, log: TransferLog, left: Left): Finding => {
  const seen = { asset, ...placeOf(log), from: log.from, to: log.to, chain: log.amount.toString() }
  if (ours.has(log.from)) return { ...seen, kind: 'outflow', ledger: null, call: null }
  const row = takeRow(left.rows, log)
  if (row) {
    const kind = row.amount === log.amount ? 'matched' : 'amount_differs'
    return { ...seen, kind, ledger: row.amount.toString(), call: row.call }
  }
  const call = takeUse(left.uses, log)
  if (!call) return { ...seen, kind: 'unsolicited', ledger: null, call: null }
  return { ...seen, kind: kindOfUse(call, log), ledger: call.signed.toString(), call: call.id }
}

const takeRow = (rows: Map<string, BookedTransfer[]>, log: TransferLog): BookedTransfer | undefined => {
  const here = rows.get(keyOf(log)) ?? []
  const at = here.findIndex((row) => row.payer === log.from && row.payTo === log.to)
  return at === -1 ? undefined : here.splice(at, 1)[0]
}

// One transaction may use several authorizations of one payer: the one of the same amount, as long as there is one.
const takeUse = (uses: Use[], log: TransferLog): Call | undefined => {
  const fits = ({ hash, call }: Use) => hash === log.hash && call.payer === log.from && call.payTo === log.to
  const exact = uses.findIndex((use) => fits(use) && use.call.signed === log.amount)
  const at = exact === -1 ? uses.findIndex(fits) : exact
  return at === -1 ? undefined : uses.splice(at, 1)[0]?.call
}

const kindOfUse = (call: Call, log: TransferLog): Kind => {
  if (call.signed !== log.amount) return 'amount_differs'
  if (isSettling(call)) return 'in_flight'
  // Booked between our look at the ledger and our look at the chain.
  const booked = call.settlement.at === 'settled' && keyOf(call.settlement.proof) === keyOf(log)
  return booked ? 'matched' : 'missing_in_ledger'
}

const missingOnChain = (asset: string, row: BookedTransfer): Finding => ({
  kind: 'missing_on_chain',
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

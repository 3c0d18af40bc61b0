/**
 * ledger/: what happened to every micro-dollar. One call moves through a few states; each `Move` is decided by pure
 * code (moves.ts), applied atomically with its postings and limits (apply.ts), and kept by a twin: memory or SQLite.
 * A resolved `post` is durable. `checkInvariants` (invariants.ts) says what must always hold.
 */
import type { Hex } from '../assets.ts'
import type { Call, Proof, Tx } from './call.ts'
import type { Move } from './moves.ts'

/** What became of a move. `claimed`: another call has this authorization. `limit`: `counter` would pass its limit. `short`: `account` holds too little. `stale`: the call is past that move. */
export type Posted =
  | { ok: true; call: Call; counters: Readonly<Record<string, bigint>> }
  | { ok: false; why: 'claimed'; call: Call }
  | { ok: false; why: 'limit'; counter: string; value: bigint; limit: bigint }
  | { ok: false; why: 'short'; account: string; balance: bigint }
  | { ok: false; why: 'stale'; call: Call | undefined }

export type Balance = { asset: string; account: string; value: bigint }
export type Posting = { asset: string; debit: string; credit: string; amount: bigint }
export type JournalEntry = { seq: number; at: number; move: Move; postings: Posting[]; hash: string }

/** A transfer that the ledger counts as money received, for reconciliation. */
export type BookedTransfer = Proof & { call: string; asset: string; payer: Hex; payTo: Hex; amount: bigint }

export type Ledger = {
  /** Applies a move: atomic, durable when resolved, and harmless to repeat. Rejects with `ledger_unavailable` when it cannot be written. */
  post: (move: Move) => Promise<Posted>
  call: (id: string) => Promise<Call | undefined>
  callByClaim: (claim: string) => Promise<Call | undefined>
  /** Calls that have not come to rest: being served or settling. Oldest first, at most `limit`. */
  open: (limit?: number) => Promise<Call[]>
  /** Stored transactions of a call, oldest first: what may be on the chain for it. */
  transactions: (call: string) => Promise<Tx[]>
  /** The highest settler nonce ever stored on a chain, −1 when none. */
  lastNonce: (chain: string, settler: Hex) => Promise<number>
  balance: (asset: string, account: string) => Promise<bigint>
  balances: () => Promise<Balance[]>
  counter: (name: string) => Promise<bigint>
  counters: () => Promise<Record<string, bigint>>
  transfers: (asset: string, fromBlock: bigint, toBlock: bigint) => Promise<BookedTransfer[]>
  /** Every call, oldest first, in pages: those after `after` (an id returned before). */
  calls: (after: string | undefined, limit: number) => Promise<Call[]>
  /** The append-only journal after `seq`, in order. */
  journal: (seq: number, limit: number) => Promise<JournalEntry[]>
  /** Goes up whenever the store may have lost claims; older quotes are refused. A new store starts above every older one. */
  epoch: number
  close: () => Promise<void>
}

/**
 * ledger/: what happened to every micro-dollar. One call moves through a few states; each `Move` is decided by pure
 * code (moves.ts), applied atomically with its postings and limits (apply.ts), and kept by a twin: memory or SQLite.
 * A resolved `post` is durable. `checkInvariants` (invariants.ts) says what must always hold.
 */
import type { Hex } from '../assets.ts'
import type { Call, Proof, Tx } from './call.ts'
import type { Channel } from './channel.ts'
import type { Errand, Task } from './errand.ts'
import type { Move, Payable, Subject } from './moves.ts'

/**
 * What became of a move; `call` is what it was about, as it stands now. `claimed`: another has this authorization, or
 * the same name. `approval`: another call stands on its approval. `limit`: `counter` would pass its limit; `value` is what
 * it and those beside it hold. `short`: `account` holds too little. `channel`: the channel is taken, or elsewhere than the
 * voucher says. `stale`: the subject is past that move.
 */
export type Posted<S extends Payable = Call> =
  | { ok: true; call: S; calls: readonly S[]; counters: Readonly<Record<string, bigint>> }
  | { ok: false; why: 'claimed'; call: Payable }
  | { ok: false; why: 'approval'; call: Call }
  | { ok: false; why: 'limit'; counter: string; value: bigint; limit: bigint }
  | { ok: false; why: 'short'; account: string; balance: bigint }
  | { ok: false; why: 'channel'; channel: Channel | undefined }
  | { ok: false; why: 'stale'; call: S | undefined }

/** What a move is about. */
export type About<M extends Move> = M extends { type: 'order' }
  ? Errand
  : M extends { type: 'settle' | 'include' | 'settled' | 'reorg' | 'lose' | 'found' }
    ? Payable
    : Call

export type Balance = { asset: string; account: string; value: bigint }
export type Posting = { asset: string; debit: string; credit: string; amount: bigint }
export type JournalEntry = { seq: number; at: number; move: Move; postings: Posting[]; hash: string }

/** What a booked transfer was for: a call's payment, or what an errand did. */
export type Purpose =
  | 'payment'
  | Exclude<Task['kind'], 'observed' | 'relay' | 'sponsor'>
  | Extract<Task, { kind: 'observed' }>['what']

/** A transfer on the chain that the ledger has booked, for reconciliation: `payer` sent it, `payTo` got it. */
export type BookedTransfer = Proof & {
  call: string
  asset: string
  payer: Hex
  payTo: Hex
  amount: bigint
  what: Purpose
}

export type Ledger = {
  /** Applies a move: atomic, durable when resolved, and harmless to repeat. Rejects with `ledger_unavailable` when it cannot be written. */
  post: <M extends Move>(move: M) => Promise<Posted<About<M>>>
  call: (id: string) => Promise<Call | undefined>
  errand: (id: string) => Promise<Errand | undefined>
  channel: (id: string) => Promise<Channel | undefined>
  /** The id of what holds a claim, also of an errand. */
  claimant: (claim: string) => Promise<string | undefined>
  /** The call that holds the caller's own name for it. */
  callByKey: (key: string) => Promise<Call | undefined>
  callByClaim: (claim: string) => Promise<Call | undefined>
  /** Calls that have not come to rest: being served or settling. Oldest first, at most `limit`. */
  open: (limit?: number) => Promise<Call[]>
  /** Errands that are not proven, and channels that are in use or have something to be claimed. */
  openErrands: () => Promise<Errand[]>
  openChannels: () => Promise<Channel[]>
  /** Stored transactions of a call or errand, oldest first: what may be on the chain for it. */
  transactions: (call: string) => Promise<Tx[]>
  /** The highest settler nonce ever stored on a chain, −1 when none. */
  lastNonce: (chain: string, settler: Hex) => Promise<number>
  balance: (asset: string, account: string) => Promise<bigint>
  balances: () => Promise<Balance[]>
  counter: (name: string) => Promise<bigint>
  counters: () => Promise<Record<string, bigint>>
  /** Some of them, at one moment; 0 where there is none. */
  countersOf: (names: readonly string[]) => Promise<Record<string, bigint>>
  transfers: (asset: string, fromBlock: bigint, toBlock: bigint) => Promise<BookedTransfer[]>
  /** The blocks of the oldest and the newest booked transfer of an asset. */
  bookedBlocks: (asset: string) => Promise<{ first: bigint; last: bigint } | undefined>
  /** Stored transactions of a settler from a nonce on, in the order of their nonces; several may share one. */
  sent: (chain: string, settler: Hex, from: number, limit: number) => Promise<Tx[]>
  /** The last block of a chain that was compared with the ledger. Kept beside the journal: it is a bookmark, not money. */
  cursor: (chain: string) => Promise<bigint | undefined>
  /** Moves the bookmark on; it never goes back. */
  moveCursor: (chain: string, block: bigint) => Promise<void>
  /** Every call, oldest first, in pages: those after `after` (an id returned before). */
  calls: (after: string | undefined, limit: number) => Promise<Call[]>
  /** The newest calls first, in pages: those before `before`, and none when nobody has that id. */
  recent: (page: { before?: string; limit: number }) => Promise<Call[]>
  /** Everything that it holds, as `calls` does. */
  subjects: (after: string | undefined, limit: number) => Promise<Subject[]>
  /** The append-only journal after `seq`, in order. */
  journal: (seq: number, limit: number) => Promise<JournalEntry[]>
  /** The number of the last journal line, 0 when there is none. */
  lines: () => Promise<number>
  /** Goes up whenever the store may have lost claims; older quotes are refused. A new store starts above every older one. */
  epoch: number
  /** Raises the epoch to a unix second, durably, and returns it; it never goes down. A running router keeps its own until it starts again. */
  raiseEpoch: (to: number) => Promise<number>
  close: () => Promise<void>
}

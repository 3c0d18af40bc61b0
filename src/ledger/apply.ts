import type { Call, Tx } from './call.ts'
import type { Posted, Posting } from './ledger.ts'
import { type Change, decide, type Move } from './moves.ts'

/** What a twin must be able to read and write inside one transaction. */
export type Books = {
  call: (id: string) => Call | undefined
  claimant: (claim: string) => string | undefined
  counter: (name: string) => bigint
  balance: (asset: string, account: string) => bigint
  putClaim: (claim: string, call: string) => void
  putCall: (call: Call) => void
  putTx: (tx: Tx) => void
  setCounter: (name: string, value: bigint) => void
  setBalance: (asset: string, account: string, value: bigint) => void
  journal: (move: Move, postings: Posting[]) => void
}

/** Applies one move to the books: reads everything, judges, and only then writes, so that a refusal leaves no trace. */
export const applyMove = (books: Books, move: Move): Posted => {
  const id = move.type === 'claim' ? move.call.id : move.id
  const call = books.call(id)
  if (move.type === 'claim' && !call) {
    const holder = books.claimant(move.call.claim)
    if (holder !== undefined) return { ok: false, why: 'claimed', call: books.call(holder)! }
  }
  const change = decide(move, call)
  if (!change) return { ok: false, why: 'stale', call }

  const counters: Record<string, bigint> = {}
  for (const { name, by, limit } of change.bumps) {
    const value = books.counter(name)
    counters[name] = value + by
    if (limit !== undefined && value + by > limit)
      return { ok: false, why: 'limit', counter: name, value, limit }
  }
  const balances = shift(books, change.postings)
  if (change.guard !== undefined) {
    const held = balances.find((row) => row.account === change.guard)
    if (held && held.value < 0n) {
      return {
        ok: false,
        why: 'short',
        account: held.account,
        balance: books.balance(held.asset, held.account),
      }
    }
  }
  write(books, move, change, counters, balances)
  return { ok: true, call: change.call, counters }
}

type Shifted = { asset: string; account: string; value: bigint }

// Balances are credits − debits, so that liabilities and revenue read as positive numbers.
const shift = (books: Books, postings: Posting[]): Shifted[] => {
  const rows: Shifted[] = []
  const add = (asset: string, account: string, by: bigint) => {
    const row = rows.find((one) => one.account === account && one.asset === asset)
    if (row) row.value += by
    else rows.push({ asset, account, value: books.balance(asset, account) + by })
  }
  for (const { asset, debit, credit, amount } of postings) {
    add(asset, debit, -amount)
    add(asset, credit, amount)
  }
  return rows
}

const write = (
  books: Books,
  move: Move,
  change: Change,
  counters: Record<string, bigint>,
  balances: Shifted[],
): void => {
  if (move.type === 'claim') books.putClaim(change.call.claim, change.call.id)
  books.putCall(change.call)
  if (change.tx) books.putTx(change.tx)
  for (const { name, by } of change.bumps) if (by !== 0n) books.setCounter(name, counters[name]!)
  for (const { asset, account, value } of balances) books.setBalance(asset, account, value)
  books.journal(move, change.postings)
}

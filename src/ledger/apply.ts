import { type Call, isServing, type Tx } from './call.ts'
import type { About, Posted, Posting } from './ledger.ts'
import { type Change, decide, type Move, type Payable, type Subject } from './moves.ts'

/** What a twin must be able to read and write inside one transaction. */
export type Books = {
  subject: (id: string) => Subject | undefined
  claimant: (claim: string) => string | undefined
  keeper: (key: string) => string | undefined
  counter: (name: string) => bigint
  balance: (asset: string, account: string) => bigint
  putClaim: (claim: string, call: string) => void
  /** The last one who puts a key keeps it. */
  putKey: (key: string, call: string) => void
  put: (subject: Subject) => void
  putTx: (tx: Tx) => void
  setCounter: (name: string, value: bigint) => void
  setBalance: (asset: string, account: string, value: bigint) => void
  journal: (move: Move, postings: Posting[]) => void
}

/** What a judge of moves must be able to read. */
export type View = Pick<Books, 'subject' | 'claimant' | 'keeper'>

/** What a move would do, as far as limits and balances allow it, or why it cannot. */
export type Verdict = { ok: true; change: Change } | Extract<Posted<Payable>, { ok: false }>

/** Judges one move by all but the counters and balances, which only their keeper can say at the moment it writes. */
export const judge = (view: View, move: Move): Verdict => {
  const taken = takenBy(view, move)
  if (taken) return taken
  const change = decide(move, view.subject)
  if (!change) return { ok: false, why: 'stale', call: aboutOf(view, move) }
  if ('refused' in change) return { ok: false, why: 'channel', channel: change.channel }
  return { ok: true, change }
}

/** Applies one move to the books: reads everything, judges, and only then writes, so that a refusal leaves no trace. */
export const applyMove = <M extends Move>(books: Books, move: M): Posted<About<M>> =>
  // What a move is about follows from its type; decide() holds to it.
  apply(books, move) as Posted<About<M>>

const apply = (books: Books, move: Move): Posted<Payable> => {
  const verdict = judge(books, move)
  if (!verdict.ok) return verdict
  const { change } = verdict
  const counters: Record<string, bigint> = {}
  const counted = (name: string) => counters[name] ?? books.counter(name)
  for (const { name, by, limit, beside = [] } of change.bumps) {
    const own = counted(name)
    let value = own
    for (const other of beside) {
      counters[other] = counted(other)
      value += counters[other]
    }
    counters[name] = own + by
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
  return applied(change, counters)
}

/** What came of a move that was written. */
export const applied = (change: Change, counters: Record<string, bigint>): Posted<Payable> => {
  const calls = change.put.filter((one): one is Payable => one.is !== 'channel')
  return { ok: true, call: calls[0]!, calls, counters }
}

type Taken = Extract<Posted<Payable>, { why: 'claimed' | 'approval' }>

/** Who has what a new call or errand wants to claim: its authorization, or its name or approval while that call stands. */
const takenBy = (books: View, move: Move): Taken | undefined => {
  const fresh = freshOf(move)
  if (!fresh || books.subject(fresh.id)) return undefined
  const claimant = fresh.claim === undefined ? undefined : books.claimant(fresh.claim)
  const holder = claimant === undefined ? undefined : payable(books.subject(claimant))
  if (claimant !== undefined) return holder && { ok: false, why: 'claimed', call: holder }
  for (const key of keysOf(fresh)) {
    const named = payable(books.subject(books.keeper(key) ?? ''))
    if (named?.is !== 'call' || !stands(named)) continue
    return { ok: false, why: key === approvalOf(fresh) ? 'approval' : 'claimed', call: named }
  }
  return undefined
}

/** What a move brings in that was not there before. */
export const freshOf = (move: Move): Payable | undefined =>
  move.type === 'claim' ? move.call : move.type === 'order' ? move.errand : undefined

/** The names that a new call takes. */
export const keysOf = (fresh: Payable | undefined): string[] =>
  fresh?.is === 'call' ? [fresh.key, fresh.name, approvalOf(fresh)].filter((key) => key !== undefined) : []

const approvalOf = (fresh: Payable): string | undefined =>
  fresh.is === 'call' && fresh.approval !== undefined ? `approval:${fresh.approval}` : undefined

/** Its name is taken: it is being served, was served, or its money moved. */
export const stands = (call: Call): boolean =>
  isServing(call) ||
  'bill' in call.service ||
  (call.settlement.at !== 'none' && call.settlement.at !== 'lost')

const payable = (subject: Subject | undefined): Payable | undefined =>
  subject?.is === 'channel' ? undefined : subject

const aboutOf = (books: View, move: Move): Payable | undefined =>
  payable(
    books.subject(move.type === 'settle' ? (move.ids[0] ?? '') : 'id' in move ? move.id : idOfNew(move)),
  )

const idOfNew = (move: Extract<Move, { type: 'claim' | 'order' }>): string =>
  move.type === 'claim' ? move.call.id : move.errand.id

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
  const fresh = freshOf(move)
  if (fresh?.claim !== undefined) books.putClaim(fresh.claim, fresh.id)
  for (const key of keysOf(fresh)) books.putKey(key, fresh!.id)
  for (const subject of change.put) books.put(subject)
  if (change.tx) books.putTx(change.tx)
  for (const { name, by } of change.bumps) if (by !== 0n) books.setCounter(name, counters[name]!)
  for (const { asset, account, value } of balances) books.setBalance(asset, account, value)
  books.journal(move, change.postings)
}

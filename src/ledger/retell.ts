import { bookOf } from './accounts.ts'
import { isServing } from './call.ts'
import { encode } from './codec.ts'
import { type Weight, weigh } from './derive.ts'
import type { Tell } from './invariants.ts'
import type { JournalEntry, Posting } from './ledger.ts'
import { chainHash } from './memory.ts'
import { decide, idsOf, type Move, type Subject } from './moves.ts'
import { ACCOUNT } from './names.ts'
import type { Bump } from './postings.ts'

/** The ledger as its journal tells it, up to one line. */
export type Retold = {
  tell: Tell
  head: { seq: number; hash: string }
  /** Calls and errands that are not at rest, and all channels, by id. */
  open: Map<string, Subject>
  /** Balances and counters as the lines posted them, and as the calls make them, by key. */
  posted: Map<string, bigint>
  derived: Map<string, bigint>
  /** Balances that a reorganisation took money back from: they may be negative. */
  takenBack: Set<string>
  /** Ids of open calls that had settled before a reorganisation: their exposure is nobody's decision. */
  reopened: Set<string>
  /** Ids of calls and errands that a reorganisation put on their way again: somebody else may have sent them. */
  again: Set<string>
}

export const subjectKey = (id: string): string => `subject ${id}`
export const balanceKey = (asset: string, account: string): string => `balance ${asset} ${account}`
export const counterKey = (name: string): string => `counter ${name}`

/** Adds one line to what was retold and tells what is wrong with it; returns the keys whose values it changed. */
export const step = (retold: Retold, line: JournalEntry): Set<string> => {
  const { tell, open } = retold
  seal(retold, line)
  const { move, seq } = line
  for (const id of idsOf(move)) once(retold, open.get(id), move)
  const change = decide(move, (id) => open.get(id))
  const ids = idsOf(move).join(' ')
  if (!change || 'refused' in change) {
    tell('moves', `line ${seq}`, `${move.type} of ${ids} was not allowed`)
    return new Set()
  }
  if (encode(change.postings) !== encode(line.postings)) {
    tell('postings', `line ${seq}`, `they are not those of ${move.type} of ${ids}`)
  }
  const touched = new Set([...post(retold, line.postings), ...count(retold, change.bumps)])
  for (const subject of change.put) {
    for (const key of derive(retold, open.get(subject.id), subject)) touched.add(key)
    open.set(subject.id, subject)
  }
  for (const key of touched) judge(retold, key)
  for (const { id } of change.put) touched.add(subjectKey(id))
  return touched
}

const seal = (retold: Retold, { seq, at, move, postings, hash }: JournalEntry): void => {
  const { tell, head } = retold
  if (seq !== head.seq + 1) tell('sequence', `line ${seq}`, `it follows line ${head.seq}`)
  const by = hash.length === 40 ? 'sha1' : 'sha256'
  if (hash !== chainHash(head.hash, encode({ at, move, postings }), by)) {
    tell('chain', `line ${seq}`, 'its hash does not seal it and all lines before it')
  }
  retold.head = { seq, hash }
}

const once = (
  { tell, takenBack, reopened, again }: Retold,
  before: Subject | undefined,
  move: Move,
): void => {
  if (!before || before.is === 'channel') return
  const ends = move.type === 'bill' || move.type === 'release' || move.type === 'reject'
  if (before.is === 'call' && ends && !isServing(before))
    tell('served', before.id, `${move.type} after it was ${before.service.at}`)
  const settled = before.settlement.at === 'settled'
  if (move.type === 'reorg') again.add(before.id)
  // A payout that was given up and happened all the same takes credit that may have been spent meanwhile.
  if (move.type === 'found' && before.is === 'errand')
    takenBack.add(balanceKey(bookOf(before), ACCOUNT.credit(before.payer)))
  if (settled && (move.type === 'settled' || move.type === 'found'))
    tell('settled', before.id, 'settled a second time')
  if (settled && move.type === 'reorg') {
    takenBack.add(balanceKey(bookOf(before), ACCOUNT.credit(before.payer)))
    if (before.is === 'call') reopened.add(before.id)
  }
}

const post = ({ tell, posted }: Retold, postings: readonly Posting[]): string[] =>
  postings.flatMap(({ asset, debit, credit, amount }) => {
    const [from, to] = [balanceKey(asset, debit), balanceKey(asset, credit)]
    if (amount <= 0n) tell('balanced', to, `a posting of ${amount}`)
    add(posted, from, -amount)
    add(posted, to, amount)
    return [from, to]
  })

const count = ({ tell, posted }: Retold, bumps: readonly Bump[]): string[] =>
  bumps.map(({ name, by, limit, beside = [] }) => {
    const key = counterKey(name)
    add(posted, key, by)
    let value = posted.get(key)!
    for (const other of beside) value += posted.get(counterKey(other)) ?? 0n
    if (limit !== undefined && value > limit) tell('limits', key, `${value} after a claim within ${limit}`)
    return key
  })

const derive = ({ derived }: Retold, before: Subject | undefined, after: Subject): string[] => {
  const rows = [
    ...(before ? weighed(weigh(before), bookOf(before), -1n) : []),
    ...weighed(weigh(after), bookOf(after), 1n),
  ]
  for (const [key, by] of rows) add(derived, key, by)
  return rows.map(([key]) => key)
}

const weighed = ({ balances, counters }: Weight, book: string, sign: bigint): [key: string, by: bigint][] => [
  ...balances.map(([account, by]): [string, bigint] => [balanceKey(book, account), sign * by]),
  ...counters.map(([name, by]): [string, bigint] => [counterKey(name), sign * by]),
]

const NATIVE = /^balance \S+\/native /
const THE_PAYERS = /^balance \S+ (credit|held|pending|payout):/

const judge = ({ tell, posted, derived, takenBack }: Retold, key: string): void => {
  const value = posted.get(key) ?? 0n
  const sum = derived.get(key) ?? 0n
  // What gas cost is no part of a call.
  if (value !== sum && !NATIVE.test(key)) tell('books', key, `it is ${value}, but the calls make ${sum}`)
  if (value < 0n && THE_PAYERS.test(key) && !takenBack.has(key)) tell('credit', key, `it fell to ${value}`)
}

const add = (figures: Map<string, bigint>, key: string, by: bigint): void => {
  figures.set(key, (figures.get(key) ?? 0n) + by)
}

import { bookOf } from './accounts.ts'
import { applied, freshOf, judge, keysOf, type Verdict } from './apply.ts'
import { decode, encode } from './codec.ts'
import type { Posted, Posting } from './ledger.ts'
import { bookedTransfer, isResting } from './memory.ts'
import type { Change, Move, Payable, Subject } from './moves.ts'
import type { Cache } from './redis-cache.ts'

/** A move as judged by what this instance knows, with all that it was judged by: the store writes it if that still stands. */
export type Judged = {
  verdict: Verdict
  args: string[]
}

/** `known`: the version and the value of a subject, or who has a name, as far as this instance knows; absent is its guess. */
export const judgeBy = (cache: Cache, move: Move, at: number): Judged => {
  const read = new Map<string, string>()
  const names = new Map<string, readonly [kind: string, name: string, holder: string]>()
  const named = (kind: 'c' | 'k') => (name: string) => {
    const holder = cache.name(kind, name)
    names.set(`${kind}:${name}`, [kind, name, holder ?? ''])
    return holder
  }
  const subject = (id: string) => {
    const known = cache.subject(id)
    read.set(id, known?.version ?? '0')
    return known?.value
  }
  const verdict = judge({ subject, claimant: named('c'), keeper: named('k') }, move)
  const change = verdict.ok ? verdict.change : undefined
  // What it writes was read, or it would overwrite what it does not know.
  for (const one of change?.put ?? []) if (!read.has(one.id)) subject(one.id)
  const puts = change ? namesOf(move) : []
  for (const [kind, name] of puts) if (!names.has(`${kind}:${name}`)) named(kind)(name)

  const args = [
    String(read.size),
    ...[...read].flat(),
    String(names.size),
    ...[...names.values()].flat(),
    change ? '1' : '0',
  ]
  const writes = change ? writesOf(cache, move, change, puts, at) : []
  return { verdict, args: [...args, String(writes.length), ...writes] }
}

type Name = readonly [kind: 'c' | 'k', name: string, holder: string]

const namesOf = (move: Move): Name[] => {
  const fresh = freshOf(move)
  if (!fresh) return []
  const claim: Name[] = fresh.claim === undefined ? [] : [['c', fresh.claim, fresh.id]]
  return [...claim, ...keysOf(fresh).map((key): Name => ['k', key, fresh.id])]
}

const writesOf = (cache: Cache, move: Move, change: Change, puts: readonly Name[], at: number): string[] => {
  const { bumps, postings, guard, put, tx } = change
  const deltas = deltasOf(postings)
  const guarded = guard === undefined ? undefined : [...deltas.keys()].find((key) => accountOf(key) === guard)
  return [
    tx ? '1' : '0',
    String(bumps.length),
    ...bumps.flatMap(({ name, by, limit, beside = [] }) => [
      name,
      by.toString(),
      limit?.toString() ?? '',
      String(beside.length),
      ...beside,
    ]),
    guarded ?? '',
    String(deltas.size),
    ...[...deltas].flatMap(([key, by]) => [key, by.toString()]),
    String(puts.length),
    ...puts.flat(),
    String(put.length),
    ...put.flatMap((one) => rowOf(one, cache.subject(one.id)?.value)),
    ...(tx
      ? [
          '1',
          `${tx.chain} ${tx.settler}`,
          tx.hash,
          String(tx.nonce),
          encode(tx),
          String(tx.items.length),
          ...tx.items,
        ]
      : ['0']),
    encode({ at, move, postings }),
  ]
}

const rowOf = (subject: Subject, before: Subject | undefined): string[] => {
  const block = bookedTransfer(subject)?.block
  const was = before === undefined ? undefined : bookedTransfer(before)
  return [
    subject.id,
    subject.is,
    turnOf(subject, before),
    bookOf(subject),
    block?.toString() ?? (was ? '-' : ''),
    encode(subject),
  ]
}

/** What becomes of its place among those at work: new (n), at work (o), at rest (r); nothing when that stays as it was. */
const turnOf = (subject: Subject, before: Subject | undefined): string => {
  const now = isResting(subject) ? 'r' : 'o'
  if (!before) return `n${now}`
  return now === (isResting(before) ? 'r' : 'o') ? '' : now
}

/** By how much each balance changes, by `asset account`. */
const deltasOf = (postings: readonly Posting[]): Map<string, bigint> => {
  const deltas = new Map<string, bigint>()
  const add = (key: string, by: bigint) => deltas.set(key, (deltas.get(key) ?? 0n) + by)
  for (const { asset, debit, credit, amount } of postings) {
    add(`${asset} ${debit}`, -amount)
    add(`${asset} ${credit}`, amount)
  }
  return deltas
}

/** The account in the name of a balance: what follows its asset. */
export const accountOf = (key: string): string => key.slice(key.indexOf(' ') + 1)

/** One answer of the script, as `redis-lua.ts` gives it. */
export type Answer =
  | ['done', number, ...string[]]
  | ['said']
  | ['again', ([id: string, value: string] | [kind: string, name: string, holder: string])[]]
  | ['limit', number, string]
  | ['short', string]
  | ['fenced']

/** What became of a judged move; undefined when it must be judged again by what the cache knows now. */
export const settleAnswer = (
  cache: Cache,
  { verdict }: Judged,
  move: Move,
  answer: Answer,
): Posted<Payable> | 'fenced' | undefined => {
  if (answer[0] === 'again') {
    for (const row of answer[1]) {
      if (row.length === 2) cache.learn(row[0], row[1])
      else cache.named(row[0] as 'c' | 'k', row[1], row[2])
    }
    return undefined
  }
  if (!verdict.ok) return verdict
  const { change } = verdict
  if (answer[0] === 'limit') {
    const { name, limit } = change.bumps[answer[1] - 1]!
    return { ok: false, why: 'limit', counter: name, value: BigInt(answer[2]), limit: limit! }
  }
  if (answer[0] === 'short')
    return { ok: false, why: 'short', account: change.guard!, balance: BigInt(answer[1]) }
  if (answer[0] !== 'done') return 'fenced'
  const [, seq, ...values] = answer
  for (const one of change.put) cache.put(one, String(seq))
  for (const [kind, name, holder] of namesOf(move)) cache.named(kind, name, holder)
  return applied(change, Object.fromEntries(countedBy(change).map((name, i) => [name, BigInt(values[i]!)])))
}

/** The counters that the script answers with, in its order. */
const countedBy = ({ bumps }: Change): string[] => [
  ...bumps.map(({ name }) => name),
  ...bumps.flatMap(({ beside = [] }) => beside),
]

/** A stored subject: its version, a space, and itself. */
export const parseStored = (text: string): { version: string; value: Subject } | undefined => {
  if (text === '') return undefined
  const space = text.indexOf(' ')
  const value = decode<Subject>(text.slice(space + 1))
  return { version: text.slice(0, space), value: value.is === 'channel' ? { ...NOBODYS, ...value } : value }
}

// JSON has no place for what is undefined.
const NOBODYS = { voucher: undefined, busy: undefined, last: undefined, claiming: undefined }

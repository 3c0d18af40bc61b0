import { hash } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { seconds } from '../clock.ts'
import { bookOf } from './accounts.ts'
import { applyMove, type Books } from './apply.ts'
import { isAtRest, isSettling, type Tx, toMove } from './call.ts'
import { isIdle } from './channel.ts'
import { encode } from './codec.ts'
import type { Errand } from './errand.ts'
import type { BookedTransfer, JournalEntry, Ledger, Purpose } from './ledger.ts'
import type { Subject } from './moves.ts'

/** A ledger that lives as long as the process: for tests and for trying things out. */
export const memoryLedger = ({ clock }: { clock: Clock }): Ledger => {
  const subjects = new Map<string, Subject>()
  const open = new Map<string, Subject>()
  const order = new Map<string, number>()
  const claims = new Map<string, string>()
  const keys = new Map<string, string>()
  const counters = new Map<string, bigint>()
  const balances = new Map<string, { asset: string; account: string; value: bigint }>()
  const txs = new Map<string, Tx>()
  const entries: JournalEntry[] = []
  const cursors = new Map<string, bigint>()
  let epoch = seconds(clock.now())

  const books: Books = {
    subject: (id) => subjects.get(id),
    claimant: (claim) => claims.get(claim),
    keeper: (key) => keys.get(key),
    counter: (name) => counters.get(name) ?? 0n,
    balance: (asset, account) => balances.get(`${asset} ${account}`)?.value ?? 0n,
    putClaim: (claim, call) => void claims.set(claim, call),
    putKey: (key, call) => void keys.set(key, call),
    put: (subject) => {
      subjects.set(subject.id, subject)
      if (!order.has(subject.id)) order.set(subject.id, order.size)
      if (isResting(subject)) open.delete(subject.id)
      else open.set(subject.id, subject)
    },
    putTx: (tx) => void (txs.has(tx.hash) || txs.set(tx.hash, tx)),
    setCounter: (name, value) => void counters.set(name, value),
    setBalance: (asset, account, value) =>
      void balances.set(`${asset} ${account}`, { asset, account, value }),
    journal: (move, postings) => {
      const at = clock.now()
      const hash = chainHash(entries.at(-1)?.hash ?? '', encode({ at, move, postings }))
      entries.push({ seq: entries.length + 1, at, move, postings, hash })
    },
  }

  const all = <K extends Subject['is']>(is: K, of: Iterable<Subject>) =>
    [...of].filter((one): one is Extract<Subject, { is: K }> => one.is === is)
  const one = <K extends Subject['is']>(is: K, id: string | undefined) =>
    all(
      is,
      [subjects.get(id ?? '')].filter((found) => found !== undefined),
    )[0]
  // A reorganisation opens an old call again: it comes first, as it does in the file.
  const opened = <K extends Subject['is']>(is: K) =>
    all(is, open.values()).toSorted((a, b) => order.get(a.id)! - order.get(b.id)!)
  const page = <S extends Subject>(of: S[], after: string | undefined, limit: number): S[] => {
    const start = after === undefined ? 0 : of.findIndex((found) => found.id === after) + 1
    return of.slice(start, start + limit)
  }

  const booked = (asset: string) =>
    [...subjects.values()]
      .map(bookedTransfer)
      .filter((row) => row?.asset === asset)
      .filter((row) => row !== undefined)
      .toSorted((a, b) => Number(a.block - b.block))

  return {
    post: async (move) => applyMove(books, move),
    call: async (id) => one('call', id),
    errand: async (id) => one('errand', id),
    channel: async (id) => one('channel', id),
    claimant: async (claim) => claims.get(claim),
    callByClaim: async (claim) => one('call', claims.get(claim)),
    callByKey: async (key) => one('call', keys.get(key)),
    open: async (limit = Number.POSITIVE_INFINITY) => opened('call').slice(0, limit),
    openErrands: async () => opened('errand'),
    openChannels: async () => opened('channel'),
    transactions: async (id) => [...txs.values()].filter((tx) => tx.items.includes(id)),
    lastNonce: async (chain, settler) =>
      [...txs.values()].reduce(
        (last, tx) => (tx.chain === chain && tx.settler === settler ? Math.max(last, tx.nonce) : last),
        -1,
      ),
    balance: async (asset, account) => books.balance(asset, account),
    balances: async () => [...balances.values()],
    counter: async (name) => books.counter(name),
    counters: async () => Object.fromEntries(counters),
    countersOf: async (names) => Object.fromEntries(names.map((name) => [name, books.counter(name)])),
    transfers: async (asset, from, to) => booked(asset).filter((row) => row.block >= from && row.block <= to),
    bookedBlocks: async (asset) => {
      const all = booked(asset)
      return all.length > 0 ? { first: all[0]!.block, last: all.at(-1)!.block } : undefined
    },
    sent: async (chain, settler, from, limit) =>
      [...txs.values()]
        .filter((tx) => tx.chain === chain && tx.settler === settler && tx.nonce >= from)
        .toSorted((a, b) => a.nonce - b.nonce)
        .slice(0, limit),
    cursor: async (chain) => cursors.get(chain),
    moveCursor: async (chain, block) => {
      if (block > (cursors.get(chain) ?? -1n)) cursors.set(chain, block)
    },
    calls: async (after, limit) => page(all('call', subjects.values()), after, limit),
    recent: async ({ before, limit }) => {
      const newest = all('call', subjects.values()).reverse()
      if (before === undefined) return newest.slice(0, limit)
      const start = order.get(before)
      return start === undefined ? [] : newest.filter(({ id }) => order.get(id)! < start).slice(0, limit)
    },
    subjects: async (after, limit) => page([...subjects.values()], after, limit),
    lines: async () => entries.length,
    journal: async (seq, limit) => entries.slice(seq, seq + limit),
    get epoch() {
      return epoch
    },
    raiseEpoch: async (to) => {
      epoch = Math.max(epoch, to)
      return epoch
    },
    close: async () => {},
  }
}

/** Nothing is left to do for it, unless the chain takes back a block. */
export const isResting = (subject: Subject): boolean => {
  if (subject.is === 'channel') return isIdle(subject)
  return subject.is === 'call' ? isAtRest(subject) : !isSettling(subject)
}

/** The transfer that a settled call or errand made, as the chain shows it; undefined when it made none of ours. */
export const bookedTransfer = (subject: Subject): BookedTransfer | undefined => {
  if (subject.is === 'channel' || subject.settlement.at !== 'settled') return undefined
  const { proof } = subject.settlement
  const amount = subject.is === 'call' ? toMove(subject) : subject.amount
  if (amount === 0n || (subject.is === 'errand' && hasNoLog(subject))) return undefined
  const [payer, payTo] = subject.is === 'call' ? [subject.payer, subject.payTo] : [subject.from, subject.to]
  return {
    ...proof,
    call: subject.id,
    asset: bookOf(subject),
    payer,
    payTo,
    amount,
    what: purposeOf(subject),
  }
}

const purposeOf = (subject: Exclude<Subject, { is: 'channel' }>): Purpose => {
  if (subject.is === 'call') return 'payment'
  const { task } = subject
  if (task.kind === 'relay' || task.kind === 'sponsor') return 'payment'
  return task.kind === 'observed' ? task.what : task.kind
}

// Seen in what the contract says of a channel: which transfers made it so is not known.
const hasNoLog = ({ task }: Errand): boolean =>
  task.kind === 'relay' || task.kind === 'withdrawal' || (task.kind === 'deposit' && task.by.kind === 'seen')

/** Each journal line seals all before it. Redis can do SHA-1 only. */
export const chainHash = (previous: string, line: string, by: 'sha256' | 'sha1' = 'sha256'): string =>
  hash(by, `${previous}\n${line}`, 'hex')

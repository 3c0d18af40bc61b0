import { hash } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { seconds } from '../clock.ts'
import { applyMove, type Books } from './apply.ts'
import { type Call, isAtRest, type Tx } from './call.ts'
import { encode } from './codec.ts'
import type { BookedTransfer, JournalEntry, Ledger } from './ledger.ts'
import { bookOf } from './moves.ts'

/** A ledger that lives as long as the process: for tests and for trying things out. */
export const memoryLedger = ({ clock }: { clock: Clock }): Ledger => {
  const calls = new Map<string, Call>()
  const open = new Map<string, Call>()
  const order = new Map<string, number>()
  const claims = new Map<string, string>()
  const counters = new Map<string, bigint>()
  const balances = new Map<string, { asset: string; account: string; value: bigint }>()
  const txs = new Map<string, Tx>()
  const entries: JournalEntry[] = []

  const books: Books = {
    call: (id) => calls.get(id),
    claimant: (claim) => claims.get(claim),
    counter: (name) => counters.get(name) ?? 0n,
    balance: (asset, account) => balances.get(`${asset} ${account}`)?.value ?? 0n,
    putClaim: (claim, call) => void claims.set(claim, call),
    putCall: (call) => {
      calls.set(call.id, call)
      if (!order.has(call.id)) order.set(call.id, order.size)
      if (isAtRest(call)) open.delete(call.id)
      else open.set(call.id, call)
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

  return {
    post: async (move) => applyMove(books, move),
    call: async (id) => calls.get(id),
    callByClaim: async (claim) => calls.get(claims.get(claim) ?? ''),
    // A reorganisation opens an old call again: it comes first, as it does in the file.
    open: async (limit = Number.POSITIVE_INFINITY) =>
      [...open.values()].toSorted((a, b) => order.get(a.id)! - order.get(b.id)!).slice(0, limit),
    transactions: async (call) => [...txs.values()].filter((tx) => tx.call === call),
    lastNonce: async (chain, settler) =>
      [...txs.values()].reduce(
        (last, tx) => (tx.chain === chain && tx.settler === settler ? Math.max(last, tx.nonce) : last),
        -1,
      ),
    balance: async (asset, account) => books.balance(asset, account),
    balances: async () => [...balances.values()],
    counter: async (name) => books.counter(name),
    counters: async () => Object.fromEntries(counters),
    transfers: async (asset, from, to) =>
      [...calls.values()]
        .map(bookedTransfer)
        .filter((row) => row !== undefined)
        .filter((row) => row.asset === asset && row.block >= from && row.block <= to)
        .toSorted((a, b) => Number(a.block - b.block)),
    calls: async (after, limit) => {
      const all = [...calls.values()]
      const start = after === undefined ? 0 : all.findIndex((call) => call.id === after) + 1
      return all.slice(start, start + limit)
    },
    journal: async (seq, limit) => entries.slice(seq, seq + limit),
    epoch: seconds(clock.now()),
    close: async () => {},
  }
}

/** The money that a settled call brought, as the chain shows it; undefined for every other call. */
export const bookedTransfer = (call: Call): BookedTransfer | undefined =>
  call.settlement.at === 'settled' && call.signed > 0n
    ? {
        ...call.settlement.proof,
        call: call.id,
        asset: bookOf(call),
        payer: call.payer,
        payTo: call.payTo,
        amount: call.signed,
      }
    : undefined

/** Each journal line seals all before it. */
export const chainHash = (previous: string, line: string): string =>
  hash('sha256', `${previous}\n${line}`, 'hex')

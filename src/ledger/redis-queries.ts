import type { Store } from '../store/store.ts'
import type { Call, Tx } from './call.ts'
import type { Channel } from './channel.ts'
import { decode } from './codec.ts'
import type { Errand } from './errand.ts'
import type { JournalEntry, Ledger } from './ledger.ts'
import { bookedTransfer } from './memory.ts'
import type { Subject } from './moves.ts'
import type { Cache } from './redis-cache.ts'
import { accountOf, parseStored } from './redis-move.ts'
import { RAISE } from './redis-scripts.ts'

export type Queries = Omit<Ledger, 'post' | 'epoch' | 'raiseEpoch' | 'close'>

/** Ids that one MGET asks for. */
const PAGE = 500

/** The queries of a ledger in Redis: each reads what stands there now. */
export const redisQueries = (store: Store, cache: Cache): Queries => {
  const { prefix } = store
  const key = (name: string) => prefix + name
  const list = async (command: string, ...args: (string | number)[]) =>
    (await store.read(command, ...args)) as string[]

  const subjectsOf = async (ids: readonly string[]): Promise<Subject[]> => {
    const found: Subject[] = []
    for (let at = 0; at < ids.length; at += PAGE) {
      const rows = await list('MGET', ...ids.slice(at, at + PAGE).map((id) => key(`s:${id}`)))
      for (const row of rows) {
        const one = row && parseStored(row)
        if (one) found.push(one.value)
      }
    }
    return found
  }
  const one = async <K extends Subject['is']>(is: K, id: string | undefined | null) => {
    if (!id) return undefined
    const stored = (await store.read('GET', key(`s:${id}`))) as string | null
    const found = cache.learn(id, stored ?? '')?.value
    return found?.is === is ? (found as Extract<Subject, { is: K }>) : undefined
  }
  const nameOf = async (kind: 'c' | 'k', name: string) =>
    ((await store.read('GET', key(`${kind}:${name}`))) as string | null) ?? undefined
  const open = async <S extends Subject>(kind: S['is'], limit?: number) =>
    (await subjectsOf(
      await list('ZRANGE', key(`open:${kind}`), 0, limit === undefined ? -1 : limit - 1),
    )) as S[]
  const page = async (after: string | undefined, limit: number) => {
    const from = after === undefined ? null : await orderOf(after)
    const ids = await list('ZRANGEBYSCORE', key('all'), `(${from ?? 0}`, '+inf', 'LIMIT', 0, limit)
    return subjectsOf(ids)
  }
  const orderOf = async (id: string) => (await store.read('ZSCORE', key('all'), id)) as string | null
  const txsOf = async (hashes: readonly string[]): Promise<Tx[]> => {
    if (hashes.length === 0) return []
    const rows = await list('MGET', ...hashes.map((hash) => key(`t:${hash}`)))
    return rows.filter((row) => row !== null).map((row) => decode<Tx>(row))
  }
  const sum = async (hash: string, field: string) =>
    BigInt(((await store.read('HGET', key(hash), field)) as string | null) ?? 0)

  return {
    call: (id) => one('call', id),
    errand: (id) => one('errand', id),
    channel: (id) => one('channel', id),
    claimant: (claim) => nameOf('c', claim),
    callByClaim: async (claim) => one('call', await nameOf('c', claim)),
    callByKey: async (name) => one('call', await nameOf('k', name)),
    open: (limit) => open<Call>('call', limit),
    openErrands: () => open<Errand>('errand'),
    openChannels: () => open<Channel>('channel'),
    transactions: async (id) => txsOf(await list('LRANGE', key(`i:${id}`), 0, -1)),
    lastNonce: async (chain, settler) => {
      const [, nonce] = await pairs(store, 'ZREVRANGE', key(`nonces:${chain} ${settler}`), 0, 0, 'WITHSCORES')
      return nonce === undefined ? -1 : Number(nonce)
    },
    sent: async (chain, settler, from, limit) => {
      const set = key(`nonces:${chain} ${settler}`)
      const rows = await list('ZRANGEBYSCORE', set, from, '+inf', 'LIMIT', 0, limit)
      return txsOf(rows.map((row) => row.slice(row.indexOf(' ') + 1)))
    },
    balance: (asset, account) => sum('balances', `${asset} ${account}`),
    balances: async () => {
      const rows = await fields(store, key('balances'))
      return rows
        .map(([name, value]) => ({
          asset: name.slice(0, name.indexOf(' ')),
          account: accountOf(name),
          value: BigInt(value),
        }))
        .toSorted((a, b) => (`${a.asset} ${a.account}` < `${b.asset} ${b.account}` ? -1 : 1))
    },
    counter: (name) => sum('counters', name),
    counters: async () =>
      Object.fromEntries(
        (await fields(store, key('counters'))).map(([name, value]) => [name, BigInt(value)]),
      ),
    countersOf: async (names) => {
      if (names.length === 0) return {}
      const values = (await store.read('HMGET', key('counters'), ...names)) as (string | null)[]
      return Object.fromEntries(names.map((name, i) => [name, BigInt(values[i] ?? 0)]))
    },
    transfers: async (asset, from, to) => {
      const ids = await list('ZRANGEBYSCORE', key(`booked:${asset}`), from.toString(), to.toString())
      return (await subjectsOf(ids)).map(bookedTransfer).filter((row) => row !== undefined)
    },
    bookedBlocks: async (asset) => {
      const set = key(`booked:${asset}`)
      const [, first] = await pairs(store, 'ZRANGE', set, 0, 0, 'WITHSCORES')
      const [, last] = await pairs(store, 'ZREVRANGE', set, 0, 0, 'WITHSCORES')
      return first === undefined || last === undefined
        ? undefined
        : { first: BigInt(first), last: BigInt(last) }
    },
    cursor: async (chain) => {
      const block = (await store.read('HGET', key('meta'), `cursor:${chain}`)) as string | null
      return block === null ? undefined : BigInt(block)
    },
    moveCursor: async (chain, block) => {
      await store.run(RAISE, [key('meta')], [`cursor:${chain}`, block.toString()])
    },
    calls: async (after, limit) => {
      const calls: Call[] = []
      for (let last = after; calls.length < limit; ) {
        const some = await page(last, PAGE)
        calls.push(...some.filter((one) => one.is === 'call'))
        last = some.at(-1)?.id
        if (some.length < PAGE) break
      }
      return calls.slice(0, limit)
    },
    recent: async ({ before, limit }) => {
      const calls: Call[] = []
      let last = before === undefined ? '+inf' : await orderOf(before)
      let many = limit
      while (last !== null && calls.length < limit) {
        const bound = last === '+inf' ? last : `(${last}`
        const ids = await list('ZREVRANGEBYSCORE', key('all'), bound, '-inf', 'LIMIT', 0, many)
        const some = await subjectsOf(ids)
        calls.push(...some.filter((one) => one.is === 'call'))
        if (calls.length >= limit || ids.length < many) break
        last = await orderOf(ids.at(-1)!)
        // Much else lies between.
        many = PAGE
      }
      return calls.slice(0, limit)
    },
    subjects: page,
    lines: async () => Number((await store.read('HGET', key('meta'), 'seq')) ?? 0),
    journal: async (seq, limit) => {
      const rows = (await store.read('XRANGE', key('journal'), `${seq + 1}-0`, '+', 'COUNT', limit)) as [
        string,
        string[],
      ][]
      return rows.map(([id, [, line, , hash]]) => ({
        ...decode<Pick<JournalEntry, 'at' | 'move' | 'postings'>>(line!),
        seq: Number(id.slice(0, id.indexOf('-'))),
        hash: hash!,
      }))
    },
  }
}

/** A member with its score, whichever way the protocol nests them. */
const pairs = async (store: Store, command: string, ...args: (string | number)[]): Promise<string[]> =>
  ((await store.read(command, ...args)) as (string | string[])[]).flat().map(String)

/** All fields of a hash, a page at a time: it may hold one for each payer. */
const fields = async (store: Store, key: string): Promise<[string, string][]> => {
  const rows = new Map<string, string>()
  let cursor = '0'
  do {
    const [next, flat] = (await store.read('HSCAN', key, cursor, 'COUNT', 1000)) as [string, string[]]
    for (let i = 0; i < flat.length; i += 2) rows.set(flat[i]!, flat[i + 1]!)
    cursor = next
  } while (cursor !== '0')
  return [...rows]
}

import type { Store } from '../store/store.ts'
import { bookOf } from './accounts.ts'
import { keysOf } from './apply.ts'
import { decode } from './codec.ts'
import type { Subject } from './moves.ts'
import { BUDGET, windowBegan } from './names.ts'
import { parseStored } from './redis-move.ts'
import { CUT, DROP, FORGET } from './redis-scripts.ts'

/** Takes out of a ledger in Redis what is old and at rest. Balances, all other counters, channels and open work always stay. */
export type Trimmer = {
  /** Which life of the store this is, and after which line of the one before (`from`) it began: a store that was lost begins another. */
  incarnation: () => Promise<{ inc: string; cut: number; from: string | undefined }>
  /** The number of the first journal line that is there. */
  firstLine: () => Promise<number>
  /** Drops subjects that came to rest before a time in ms, were last written by a line up to `upTo`, and may go. */
  drop: (wish: {
    before: number
    upTo: number
    most: number
    may: (subject: Subject) => boolean
  }) => Promise<number>
  /** Cuts off journal lines older than a time in ms, up to a line. */
  cut: (wish: { before: number; upTo: number }) => Promise<void>
  /** Drops the counters of budgets whose windows began before a time in ms; it looks at every counter. */
  forget: (before: number) => Promise<number>
}

const PAGE = 200

export const createTrimmer = (store: Store): Trimmer => {
  const { prefix } = store
  const key = (name: string) => prefix + name
  const meta = key('meta')

  const dropOne = async (stored: string, wish: Parameters<Trimmer['drop']>[0]): Promise<boolean> => {
    const known = parseStored(stored)
    if (!known || Number(known.version) > wish.upTo || !wish.may(known.value)) return false
    const { value, version } = known
    const claim = value.is !== 'channel' && value.claim !== undefined ? ['c', value.claim] : []
    const keys = value.is === 'call' ? keysOf(value).flatMap((name) => ['k', name]) : []
    const args = [prefix, value.id, bookOf(value), version, ...claim, ...keys]
    return (await store.run(DROP, [meta], args)) === 1
  }

  return {
    incarnation: async () => {
      const fields = (await store.read('HMGET', meta, 'inc', 'cut', 'from')) as (string | null)[]
      const [inc, cut, from] = fields
      if (typeof inc !== 'string') throw new Error('the store was lost')
      return { inc, cut: Number(cut ?? 0), from: from ?? undefined }
    },
    firstLine: async () => Number((await store.read('HGET', meta, 'first')) ?? 1),
    drop: async (wish) => {
      let dropped = 0
      for (let from = 0; dropped < wish.most; ) {
        const range = ['-inf', String(wish.before), 'LIMIT', from, PAGE] as const
        const ids = (await store.read('ZRANGEBYSCORE', key('resting'), ...range)) as string[]
        if (ids.length === 0) return dropped
        const stored = (await store.read('MGET', ...ids.map((id) => key(`s:${id}`)))) as (string | null)[]
        let stayed = 0
        for (const one of stored)
          if (await dropOne(one ?? '', wish)) dropped++
          else stayed++
        from += stayed
      }
      return dropped
    },
    cut: async ({ before, upTo }) => {
      let first = 0
      for (let more = true; more; ) {
        const from = first === 0 ? '-' : `${first}-0`
        const rows = (await store.read('XRANGE', key('journal'), from, '+', 'COUNT', PAGE)) as [
          string,
          string[],
        ][]
        const old = rows.filter(
          ([id, [, line]]) => numberOf(id) <= upTo && decode<{ at: number }>(line!).at < before,
        )
        more = old.length === PAGE
        if (old.length > 0) first = numberOf(old.at(-1)![0]) + 1
      }
      // The last line stays: it says where the journal is.
      if (first > 0) await store.run(CUT, [meta, key('journal')], [Math.min(first, upTo)])
    },
    forget: async (before) => {
      let forgotten = 0
      let cursor = '0'
      do {
        const scan = [cursor, 'MATCH', `${BUDGET}*`, 'COUNT', PAGE] as const
        const [next, flat] = (await store.read('HSCAN', key('counters'), ...scan)) as [string, string[]]
        const old = flat.filter((name, i) => i % 2 === 0 && (windowBegan(name) ?? before) < before)
        if (old.length > 0) forgotten += Number(await store.run(FORGET, [meta, key('counters')], old))
        cursor = next
      } while (cursor !== '0')
      return forgotten
    },
  }
}

const numberOf = (id: string): number => Number(id.slice(0, id.indexOf('-')))

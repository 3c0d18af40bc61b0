import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { boundsOf, checkWrites, type Range, type Records, type Row, type Write } from './records.ts'
import { LIST, MANY, WRITE } from './records-lua.ts'
import type { Arg, Store } from './store.ts'

/** A write without an answer is sent again under the same name: for so long in all, and so long apart, ms. */
const TRYING_MS = 1_500
const APART_MS = 300
/** Rows that are asked for at once. */
const PAGE = 500

/**
 * Records that instances share through Redis, which they do not close. As durable as that Redis is: what it loses in a
 * flush or a failover is simply gone, for nothing of it is money. `until` goes by the clock of Redis.
 */
export const redisRecords = ({ store, clock }: { store: Store; clock: Clock }): Records => {
  const prefix = `${store.prefix}rec:`
  const keys = [`${prefix}rev`]

  const sent = async (args: readonly Arg[]): Promise<unknown> => {
    for (const end = clock.now() + TRYING_MS; ; ) {
      try {
        return await store.run(WRITE, keys, args)
      } catch (error) {
        if (clock.now() > end) throw error
        await clock.sleep(APART_MS)
      }
    }
  }
  const page = async <T>(table: string, range: Range): Promise<{ next: string; rows: Row<T>[] }> => {
    const { low, high } = boundsOf(range)
    const key = range.key ? range.key.join(':') : ''
    const args = [prefix, table, low, high, key, range.backwards ? 'down' : 'up', range.limit]
    const [next = '', ...parts] = (await store.run(LIST, keys, args)) as string[]
    const rows = Array.from({ length: parts.length / 3 }, (_, i) =>
      rowOf<T>(parts[3 * i]!, parts[3 * i + 1]!, parts[3 * i + 2]!),
    )
    return { next, rows }
  }

  return {
    get: async (table, id) => {
      const row = (await store.read('HMGET', `${prefix}${table}:row:${id}`, 'j', 'v')) as Found
      const [json = null, version] = row
      return json === null ? undefined : rowOf(id, json, version!)
    },
    many: async <T>(table: string, ids: readonly string[]) => {
      const rows: (Row<T> | undefined)[] = []
      for (let from = 0; from < ids.length; from += PAGE) {
        const some = ids.slice(from, from + PAGE)
        const found = (await store.run(MANY, keys, [prefix, table, ...some])) as Found
        for (const [i, id] of some.entries()) {
          const json = found[2 * i] ?? null
          rows.push(json === null ? undefined : rowOf<T>(id, json, found[2 * i + 1]!))
        }
      }
      return rows
    },
    list: async <T>(table: string, range: Range) => {
      const rows: Row<T>[] = []
      let after = range.after
      while (rows.length < range.limit) {
        const limit = Math.min(range.limit - rows.length, PAGE)
        const got = await page<T>(table, { ...range, ...(after !== undefined && { after }), limit })
        rows.push(...got.rows)
        if (got.next === '' && got.rows.length < limit) break
        after = got.next === '' ? got.rows.at(-1)!.id : got.next
      }
      return rows
    },
    write: async (writes) => {
      checkWrites(writes)
      if (writes.length === 0) return { ok: true }
      const answer = await sent([prefix, randomBytes(12).toString('hex'), ...writes.flatMap(argsOf)])
      if (answer === 'ok') return { ok: true }
      const { table, id } = writes[Number(answer)]!
      return { ok: false, stale: { table, id } }
    },
    revision: async (table) => {
      const revision = Number((await store.read('HGET', keys[0]!, table)) ?? 0)
      // Another connection may be to another server, which was not told the last writes.
      return (store.generation() % 2 ** 10) * 2 ** 42 + revision
    },
    close: async () => {},
  }
}

type Found = (string | null)[]

const rowOf = <T>(id: string, json: string, version: string): Row<T> => ({
  id,
  value: JSON.parse(json),
  version: Number(version),
})

const argsOf = (one: Write): Arg[] => {
  const head = [one.table, one.id, one.if ?? '']
  if ('drop' in one) return [...head, 'drop', '', '', '']
  const { value, keys = {}, until = Number.POSITIVE_INFINITY } = one
  const found = Object.entries(keys).map(([name, value]) => `${name}:${value}`)
  const end = until === Number.POSITIVE_INFINITY ? '' : Math.max(1, Math.ceil(until))
  return [...head, 'put', JSON.stringify(value), found.join(' '), end]
}

/**
 * How often sign-in may fail. Tries are counted for a name from one address and for an address over all names, and never
 * for a name alone: so no stranger can lock anybody out, except who shares an address with him, for 15 minutes at a
 * time. A name that fails from everywhere is under attack: then each address has one try for it where it had five.
 */
import { hash } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { fail } from '../errors.ts'
import type { Json, Records, Row } from '../store/records.ts'

/** Tries by what they are counted for. */
const LOCKOUTS = 'lockouts'

/** `locked`: no try before then, ms. */
type Count = { tries: number; locked: number }

export type Lockout = {
  /** Counts a try before it is made, so that many at once are not one; refuses with `login_locked`. Answers how many of this name from this address have failed before. */
  take: (name: string, address: string) => Promise<number>
  /** It was the right one: what this address did wrong with this name is forgotten. */
  passed: (name: string, address: string) => Promise<void>
  /** It could not be tried. */
  giveBack: (name: string, address: string) => Promise<void>
  /** Whether the audit log takes one more failure this hour: a flood from everywhere must not fill it. */
  mayTell: () => Promise<boolean>
}

/** Tries without a delay: of a name from an address, of a name under attack, of an address. */
export const FREE = { pair: 5, attacked: 1, address: 20 }
/** So many failures of a name from everywhere within a day are an attack. */
export const ATTACK = 50
/** The first delay and the longest, ms. */
const FIRST = 15_000
export const LONGEST = 900_000
const DAY = 86_400_000
/** Failures that are written down an hour. */
const TOLD = 100
const HOUR = 3_600_000

export const createLockout = ({ records, clock }: { records: Records; clock: Clock }): Lockout => {
  const read = async (id: string): Promise<{ id: string; count: Count; version: number }> => {
    const row: Row<Count> | undefined = await records.get<Count>(LOCKOUTS, id)
    return { id, count: row?.value ?? { tries: 0, locked: 0 }, version: row?.version ?? 0 }
  }
  const put = ({ id, version }: { id: string; version: number }, count: Count) => ({
    table: LOCKOUTS,
    id,
    value: count as unknown as Json,
    if: version,
    until: Math.max(clock.now() + DAY, count.locked),
  })

  /** Reads counts, judges, and writes what becomes of them, until nobody else came between. */
  const change = async <T>(
    ids: readonly string[],
    judge: (counts: readonly Count[]) => { next: readonly Count[]; result: T },
  ): Promise<T> => {
    for (let tries = 0; tries < TRIES; tries++) {
      const rows = await Promise.all(ids.map(read))
      const { next, result } = judge(rows.map(({ count }) => count))
      if ((await records.write(rows.map((row, i) => put(row, next[i]!)))).ok) return result
      await clock.sleep(Math.random() * 4 * (tries + 1))
    }
    throw fail('busy_here')
  }

  const idsOf = (name: string, address: string) => [
    keyOf('pair', `${name.toLowerCase()}\n${address}`),
    keyOf('address', address),
    keyOf('name', name.toLowerCase()),
  ]

  return {
    take: (name, address) => {
      const now = clock.now()
      return change(idsOf(name, address), ([pair, from, all]) => {
        const locked = Math.max(pair!.locked, from!.locked)
        if (locked > now) throw fail('login_locked', { retryAfter: Math.ceil((locked - now) / 1000) })
        const free = all!.tries >= ATTACK ? FREE.attacked : FREE.pair
        const next = [more(pair!, free, now), more(from!, FREE.address, now), more(all!, Infinity, now)]
        return { next, result: pair!.tries }
      })
    },
    passed: async (name, address) => {
      await change(idsOf(name, address), ([, from, all]) => ({
        next: [{ tries: 0, locked: 0 }, less(from!), less(all!)],
        result: undefined,
      }))
    },
    giveBack: async (name, address) => {
      await change(idsOf(name, address), (counts) => ({ next: counts.map(less), result: undefined }))
    },
    mayTell: () => {
      const hour = Math.floor(clock.now() / HOUR)
      return change([keyOf('told', String(hour))], ([count]) => ({
        next: [{ tries: count!.tries + 1, locked: 0 }],
        result: count!.tries < TOLD,
      }))
    },
  }
}

const TRIES = 50

/** One try more. Beyond the free ones each locks twice as long as the one before. */
const more = ({ tries }: Count, free: number, now: number): Count => {
  const over = tries + 1 - free
  return { tries: tries + 1, locked: over < 0 ? 0 : now + Math.min(LONGEST, FIRST * 2 ** Math.min(over, 10)) }
}

const less = ({ tries }: Count): Count => ({ tries: Math.max(0, tries - 1), locked: 0 })

// Names are what strangers type.
const keyOf = (kind: string, text: string): string => `${kind}-${hash('sha256', text, 'hex').slice(0, 40)}`

import { randomBytes } from 'node:crypto'
import { type Clock, seconds } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Store } from '../store/store.ts'
import { decode, encode } from './codec.ts'
import type { Move } from './moves.ts'
import type { Reply } from './redis.ts'
import { FINISH, HEAL, HEALS, TAIL, TAKE_OVER } from './redis-scripts.ts'
import { SCHEMA_VERSION } from './schema.ts'

/** What an instance knows of the store: its incarnation, the last journal line that it has seen and its seal, the epoch. */
export type Known = { inc: string; seq: number; hash: string; epoch: number }

/** Brings a store that has lost moves (flushed, or an older copy promoted) up to what its instances remember. */
export type Healer = {
  /** Keeps a move that was written, in case the store forgets it. */
  remember: (seq: number, move: Move, at: number) => void
  /** The store says that it is not the one we knew: resolves when we know it as it is now. */
  found: (reply: Extract<Reply, ['lost', ...string[]]>) => Promise<void>
  /** The store says that it is being healed: whoever does it may have ended meanwhile. */
  waits: () => void
  /** The store takes moves of everybody: what was handed in is written. */
  healed: () => void
  idle: () => Promise<void>
}

export type HealerFacts = {
  store: Store
  clock: Clock
  log: Log
  meta: string
  known: Known
  /** Drops what was read from the store that is gone. */
  forget: () => void
  /** Writes remembered moves again while others may not write. */
  write: (moves: readonly { move: Move; at: number }[]) => Promise<void>
}

/** Moves that are remembered, and for how long, ms: a replica that is further behind was not fit to be promoted. */
const MOST = 50_000
const REMEMBER_MS = 600_000
/** How long the others have to say what they remember, ms: each looks at the store once a second. */
const GATHER_MS = 2_500
const CHUNK = 500
/** Who waits for the healer looks after it so often, ms. */
const ASK_MS = 1_000

/** The ledger is there, and nobody is just writing again what its store lost: until then a payment may be seen without its transaction. */
export const isWhole = async ({ prefix, read }: Store): Promise<boolean> => {
  const [inc, healing] = (await read('HMGET', `${prefix}meta`, 'inc', 'healing')) as (string | null)[]
  return typeof inc === 'string' && healing === null
}

export const createHealer = (facts: HealerFacts): Healer => {
  const { store, clock, log, meta, known, forget, write } = facts
  const tail: { seq: number; at: number; move: Move }[] = []
  let first = 0
  /** Handed in, and not known to be written yet: the store may be lost once more before it is. */
  let handed: typeof tail = []
  let finding: Promise<void> | undefined
  let healing: Promise<void> | undefined
  let again = false
  let asked = 0

  const tailKey = (inc: string) => `${store.prefix}tail:${inc}`

  /** Hands in what is newer than the store; false when the healing ended before all of it was taken. */
  const handIn = async (inc: string, rows: typeof tail): Promise<boolean> => {
    for (let i = 0; i < rows.length; i += CHUNK) {
      const args = rows.slice(i, i + CHUNK).flatMap(({ seq, at, move }) => [seq, encode({ seq, at, move })])
      if ((await store.run(TAIL, [meta, tailKey(inc)], [inc, ...args])) === 0) return false
    }
    return true
  }

  /** Writes what was handed in, and what comes in meanwhile, until there is nothing more. */
  const heal = async (): Promise<void> => {
    const { inc } = known
    const signs = setInterval(() => void store.run(HEALS, [meta], [inc]).catch(() => {}), ASK_MS)
    try {
      await clock.sleep(GATHER_MS)
      for (;;) {
        const rows = (await store.read('ZRANGE', tailKey(inc), 0, -1)) as string[]
        // From the first line on: what is written already says so, and a line that comes late may be an early one.
        await write(rows.map((row) => decode<{ at: number; move: Move }>(row)))
        if ((await store.run(FINISH, [meta, tailKey(inc)], [inc, rows.length])) === 0) continue
        if (again) return
        return log.warn('store_healed', { epoch: known.epoch, moves: rows.length })
      }
    } finally {
      clearInterval(signs)
    }
  }

  const find = async (why: string): Promise<void> => {
    const fresh = randomBytes(8).toString('hex')
    const args = [SCHEMA_VERSION, known.inc, fresh, seconds(clock.now()), known.epoch, why]
    for (let taken = false; !taken; ) {
      const [role, inc, seq, hash, epoch, cut, from] = (await store.run(HEAL, [meta], args)) as string[]
      log.error('store_lost_moves', { why, knew: known.seq, has: Number(seq), epoch: Number(epoch), role })
      // Lines of another life of the store are counted otherwise.
      const since = from === known.inc ? Number(cut) : 0
      const young = handed.filter(({ at }) => at >= clock.now() - REMEMBER_MS)
      const rows = [...young, ...tail.slice(first).filter(({ seq }) => seq > since)]
      taken = await handIn(inc!, rows)
      if (taken) handed = rows
      // Not before: as long as we do not know the store, we are asked again for what we remember.
      if (taken) Object.assign(known, { inc, seq: Number(seq), hash, epoch: Number(epoch) })
      if (taken && role === 'healer') startHealing()
    }
    forget()
    tail.length = 0
    first = 0
  }

  const startHealing = (): void => {
    // Lost once more meanwhile: then what is under way comes to nothing.
    again = healing !== undefined
    healing ??= heal()
      .catch((error) => log.error('store_not_healed', { why: String(error) }))
      .finally(() => {
        healing = undefined
        if (again) startHealing()
      })
  }

  const takeOver = async (): Promise<void> => {
    if (healing || clock.now() - asked < ASK_MS) return
    asked = clock.now()
    if ((await store.run(TAKE_OVER, [meta], [known.inc])) === 1) startHealing()
  }

  return {
    remember: (seq, move, at) => {
      tail.push({ seq, at, move })
      const now = clock.now()
      while (tail.length - first > MOST || (tail[first]?.at ?? now) < now - REMEMBER_MS) first++
      if (first > MOST / 10) tail.splice(0, first)
      if (first > MOST / 10) first = 0
    },
    found: (reply) => {
      finding ??= find(reply[1]!).finally(() => {
        finding = undefined
      })
      return finding
    },
    waits: () => void takeOver().catch(() => {}),
    healed: () => {
      if (handed.length > 0) handed = []
    },
    idle: async () => {
      while (finding || healing) await Promise.allSettled([finding, healing])
    },
  }
}

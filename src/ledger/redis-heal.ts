import { randomBytes } from 'node:crypto'
import { type Clock, seconds } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Store } from '../store/store.ts'
import { decode, encode } from './codec.ts'
import type { Move } from './moves.ts'
import type { Reply } from './redis.ts'
import { FINISH, HEAL, TAIL, TAKE_OVER } from './redis-scripts.ts'
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

export const createHealer = (facts: HealerFacts): Healer => {
  const { store, clock, log, meta, known, forget, write } = facts
  const tail: { seq: number; at: number; move: Move }[] = []
  let first = 0
  let finding: Promise<void> | undefined
  let healing: Promise<void> | undefined
  let asked = 0

  const tailKey = (inc: string) => `${store.prefix}tail:${inc}`

  /** Hands in what is newer than the store. */
  const handIn = async (cut: number): Promise<void> => {
    const rows = tail.slice(first).filter(({ seq }) => seq > cut)
    for (let i = 0; i < rows.length; i += CHUNK) {
      const args = rows.slice(i, i + CHUNK).flatMap(({ seq, at, move }) => [seq, encode({ seq, at, move })])
      await store.run(TAIL, [tailKey(known.inc)], args)
    }
  }

  const heal = async (): Promise<void> => {
    await clock.sleep(GATHER_MS)
    const rows = (await store.read('ZRANGE', tailKey(known.inc), 0, -1)) as string[]
    const moves = rows.map((row) => decode<{ at: number; move: Move }>(row))
    await write(moves)
    await store.run(FINISH, [meta, tailKey(known.inc)], [known.inc])
    log.warn('store_healed', { epoch: known.epoch, moves: moves.length })
  }

  const find = async (why: string): Promise<void> => {
    const fresh = randomBytes(8).toString('hex')
    const now = seconds(clock.now())
    const args = [SCHEMA_VERSION, known.inc, fresh, now, known.epoch, why]
    const [role, inc, seq, hash, epoch, cut] = (await store.run(HEAL, [meta], args)) as string[]
    log.error('store_lost_moves', { why, knew: known.seq, has: Number(seq), epoch: Number(epoch), role })
    forget()
    Object.assign(known, { inc, seq: Number(seq), hash, epoch: Number(epoch) })
    await handIn(Number(cut))
    tail.length = 0
    first = 0
    if (role === 'healer') startHealing()
  }

  const startHealing = (): void => {
    healing ??= heal()
      .catch((error) => log.error('store_not_healed', { why: String(error) }))
      .finally(() => {
        healing = undefined
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
    idle: async () => {
      await Promise.allSettled([finding, healing])
    },
  }
}

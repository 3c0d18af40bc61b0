import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import { fail } from '../errors.ts'
import { type ArchiveFacts, createArchive } from '../ledger/archive.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { lockLedger } from '../ledger/lock.ts'
import { memoryLedger } from '../ledger/memory.ts'
import { redisLedger } from '../ledger/redis.ts'
import { isWhole } from '../ledger/redis-heal.ts'
import { createTrimmer } from '../ledger/redis-trim.ts'
import { sqliteLedger } from '../ledger/sqlite.ts'
import { type Log, quietLog } from '../log.ts'
import { type Alive, aloneAlive, redisAlive } from '../store/alive.ts'
import { type Board, memoryBoard, redisBoard } from '../store/board.ts'
import { type Lease, ownLease, redisLease } from '../store/lease.ts'
import { memoryRecords, type Records } from '../store/records.ts'
import { redisRecords } from '../store/records-redis.ts'
import { sqliteRecords } from '../store/records-sqlite.ts'
import { openRedis } from '../store/redis.ts'
import type { Store } from '../store/store.ts'
import { memoryTally, redisTally, type Tally } from '../store/tally.ts'

/** The instances that share one store: who of them is at work, and who does what only one may do. */
export type Fleet = {
  alive: Alive
  lease: Lease
  /** Redis, where there may be several instances; undefined where this one is alone. */
  store: Store | undefined
  /** The ledger is not just being written again after its store was lost: what is not there now never was. */
  whole: () => Promise<boolean>
  /** What may happen so often in all, and what instances tell each other. */
  tally: Tally
  board: Board
}

/** Opens the store that a config names, as an instance that serves from it. Rejects when another has a file. */
export const openStore = async (
  { store: address, archive: { file, keepDays } }: Pick<Config, 'store' | 'archive'>,
  clock: Clock,
  log: Log,
): Promise<{ ledger: Ledger; records: Records; fleet: Fleet; close: () => Promise<void> }> => {
  const me = `i_${randomBytes(6).toString('hex')}`
  if (!isRedis(address)) {
    const path = sqlitePath(address)
    const lock = path === undefined ? undefined : lockLedger(path)
    const ledger = await openLedger(address, clock)
    const records = await openRecords(address, clock).catch(async (error: unknown) => {
      await ledger.close()
      lock?.release()
      throw error
    })
    const close = async () => {
      await records.close()
      await ledger.close()
      lock?.release()
    }
    const lone = { tally: memoryTally({ clock }), board: memoryBoard({ clock }) }
    const one = { alive: aloneAlive(me), lease: ownLease(), store: undefined, whole: async () => true }
    const fleet = { ...one, ...lone }
    return { ledger, records, fleet, close }
  }
  const store = await openRedis({ url: address, log })
  const lease = redisLease({ store, log, holder: me })
  try {
    const ledger = await redisLedger({ store, clock, log, writer: me, token: lease.token })
    const alive = redisAlive({ store, log, me })
    const board = redisBoard({ store, clock, log })
    board.start()
    const past =
      file === undefined ? undefined : await openPast(file, keepDays, { ledger, store, clock, log })
    const close = async () => {
      board.stop()
      await past?.()
      await ledger.close()
      await alive.stop()
      await store.close()
    }
    const records = redisRecords({ store, clock })
    const whole = () => isWhole(store)
    const fleet = { alive, lease, store, whole, tally: redisTally({ store }), board }
    return { ledger, records, fleet, close }
  } catch (error) {
    await store.close()
    throw error
  }
}

/** Copies the ledger to a file as long as this instance runs; returns what ends that. */
const openPast = async (
  file: string,
  keepDays: number,
  { store, ...facts }: Pick<ArchiveFacts, 'ledger' | 'clock' | 'log'> & { store: Store },
): Promise<() => Promise<void>> => {
  const lock = lockLedger(file)
  const archive = await sqliteLedger(file)
  const copying = createArchive({
    ...facts,
    archive,
    trimmer: createTrimmer(store),
    keepMs: keepDays * DAY_MS,
  })
  copying.start()
  return async () => {
    await copying.stop()
    await archive.close()
    lock.release()
  }
}

const DAY_MS = 86_400_000

/** The ledger for who books what it lacks, a bookmark first: neither is there while a lost store is written again, or it would be booked twice. */
export const wholly = (ledger: Ledger, { whole }: Pick<Fleet, 'whole'>): Ledger => {
  const sure = async (): Promise<void> => {
    if (!(await whole())) throw fail('ledger_unavailable', { why: 'the store is being healed' })
  }
  const careful: Pick<Ledger, 'cursor' | 'post'> = {
    cursor: async (chain) => {
      await sure()
      return ledger.cursor(chain)
    },
    post: async (move) => {
      await sure()
      return ledger.post(move)
    },
  }
  // Not a spread: the epoch is a getter, and others listen to what is posted.
  return Object.assign(Object.create(ledger) as Ledger, careful)
}

/** Opens the ledger that a config names beside whoever serves from it: to read it, or to book what was seen. */
export const openLedger = async (address: string, clock: Clock): Promise<Ledger> => {
  if (!isRedis(address))
    return address === 'memory:' ? memoryLedger({ clock }) : sqliteLedger(sqlitePath(address)!)
  const store = await openRedis({ url: address, log: quietLog })
  const writer = `c_${randomBytes(6).toString('hex')}`
  const ledger = await redisLedger({ store, clock, log: quietLog, writer, token: () => '' })
  const { close: closeLedger } = ledger
  const close = async () => {
    await closeLedger()
    await store.close()
  }
  // Not a spread: the epoch is a getter.
  return Object.defineProperty(ledger, 'close', { value: close })
}

/** Opens the records that a config names beside whoever serves from them; what is written here is seen there at once. */
export const openRecords = async (address: string, clock: Clock): Promise<Records> => {
  const path = sqlitePath(address)
  // A file of its own: its writes must not wait for those of the ledger.
  if (path !== undefined) return sqliteRecords({ path: `${path}-desk`, clock })
  if (!isRedis(address)) return memoryRecords({ clock })
  const store = await openRedis({ url: address, log: quietLog })
  return { ...redisRecords({ store, clock }), close: store.close }
}

const isRedis = (address: string): boolean => /^redis(s|\+sentinel|\+cluster)?:/.test(address)

const sqlitePath = (address: string): string | undefined =>
  address.startsWith('sqlite:') ? address.slice('sqlite:'.length) : undefined

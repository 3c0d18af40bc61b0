import { randomBytes } from 'node:crypto'
import { type Clock, seconds } from '../clock.ts'
import { fail, Refusal } from '../errors.ts'
import { type Log, reasonOf } from '../log.ts'
import type { Store } from '../store/store.ts'
import { within } from '../store/within.ts'
import type { Ledger, Posted } from './ledger.ts'
import type { Move } from './moves.ts'
import { createCache } from './redis-cache.ts'
import { createHealer } from './redis-heal.ts'
import { POST } from './redis-lua.ts'
import { type Answer, type Judged, judgeBy, settleAnswer } from './redis-move.ts'
import { redisQueries } from './redis-queries.ts'
import { LOOK, OPEN, RAISE } from './redis-scripts.ts'
import { SCHEMA_VERSION } from './schema.ts'

export type RedisLedgerFacts = {
  store: Store
  clock: Clock
  log: Log
  /** Who writes: unique among all that ever do. */
  writer: string
  /** The token of the settler's lease, without which no transaction can be stored; '*' where nobody else can have one. */
  token: () => string
}

type Waiting = {
  move: Move
  /** When it was decided, ms: what the journal says. */
  at: number
  /** ms, by the clock. */
  until: number
  resolve: (posted: Posted<never>) => void
  reject: (error: unknown) => void
}

/** Longest wait for a move to be written, ms: within a second the caller knows. */
const PATIENCE_MS = 900
/** Moves of one batch: Redis does nothing else meanwhile. */
const MOST = 64
/** Batches under way at once: while Redis writes one, the next is judged. Each is numbered under a name of its own. */
const LANES = ['a', 'b'] as const
const AGAIN_MS = 40
const WATCH_MS = 1_000

type Written = ['ok', seq: number, hash: string, epoch: string, answers: Answer[]]
export type Reply = Written | ['lost', ...string[]] | ['healing'] | ['old']

/**
 * A ledger in Redis that many instances share. A move is judged here, by what this instance knows, and written by one
 * Lua function that checks that all of it still stands; what changed meanwhile comes back, and it is judged again.
 * Batches are numbered, so that one whose reply was lost can be sent again.
 */
export const redisLedger = async (facts: RedisLedgerFacts): Promise<Ledger> => {
  const { store, clock, log, writer, token } = facts
  const meta = `${store.prefix}meta`
  const fresh = randomBytes(8).toString('hex')
  const [schema, inc, seq, hash, epoch] = (await store.run(
    OPEN,
    [meta],
    [SCHEMA_VERSION, fresh, String(seconds(clock.now()))],
  )) as [string, string, string, string, string]
  if (schema !== SCHEMA_VERSION)
    throw new Error(`The ledger has schema ${schema}, this Farebox speaks ${SCHEMA_VERSION}.`)
  const known = { inc, seq: Number(seq), hash, epoch: Number(epoch) }
  const cache = createCache()
  const queue: Waiting[] = []
  let batch = 0
  const free = new Set<string>(LANES)
  const isIdle = () => free.size === LANES.length
  let closed = false

  const send = async (judged: readonly Judged[], healer: string, lane: string, n: number): Promise<Reply> => {
    const { inc, seq, hash } = known
    // The healer writes beside those who wait for it, and who only looks writes nothing.
    const who = judged.length === 0 ? '' : `${writer} ${healer === '' ? lane : 'healing'}`
    const head = [store.prefix, who, n, inc, seq, hash, token(), healer]
    return (await store.run(POST, [meta], [...head, ...judged.flatMap(({ args }) => args)])) as Reply
  }
  const healer = createHealer({
    ...facts,
    meta,
    known,
    forget: cache.forget,
    write: (moves) => rewrite(moves),
  })

  /** Judges and sends until each has an answer; those for which something had changed are judged again. */
  const write = async (batched: readonly Waiting[], lane: string, token = ''): Promise<void> => {
    let left = batched
    while (left.length > 0) {
      if (looked !== store.generation()) await look()
      const judged = left.map(({ move, at }) => judgeBy(cache, move, at))
      const reply = await insist(judged, Math.min(...left.map((one) => one.until)), token, lane)
      if (reply) left = told(left, judged, reply)
    }
  }

  /** Tells the callers what became of their moves; returns those that must be judged again. */
  const told = (
    asked: readonly Waiting[],
    judged: readonly Judged[],
    [, , , , answers]: Written,
  ): Waiting[] => {
    return asked.filter((one, i) => {
      const answer = answers[i]!
      const posted = settleAnswer(cache, judged[i]!, one.move, answer)
      if (posted === undefined) return true
      if (answer[0] === 'done') healer.remember(answer[1], one.move, one.at)
      if (posted === 'fenced') one.reject(fail('ledger_unavailable', { why: 'the lease is elsewhere' }))
      else one.resolve(posted as Posted<never>)
      return false
    })
  }

  /** Sends a batch until it is answered or the patience of its callers ends; undefined when it must be judged anew. */
  const insist = async (
    judged: readonly Judged[],
    until: number,
    token: string,
    lane: string,
  ): Promise<Written | undefined> => {
    const n = ++batch
    for (let tries = 0; ; ) {
      let why = 'the store was rebuilt'
      try {
        const { inc } = known
        const left = until - clock.now()
        const sent = send(judged, token, lane, n)
        // A command that hangs ends by itself; only what is begun late must not outlast its callers' patience.
        const reply = await (tries++ === 0 || judged.length === 0 ? sent : within(sent, left))
        if (reply[0] === 'ok') {
          // Of two batches under way, the later answer is the newer.
          const [, seq, hash, epoch] = reply
          if (inc === known.inc && token === '') healer.healed()
          if (inc === known.inc && seq >= known.seq) Object.assign(known, { seq, hash, epoch: Number(epoch) })
          // What is written stands; nothing new is taken until the replicas have it.
          if (judged.length > 0 && !(await store.copied())) lagging = true
          return reply
        }
        if (reply[0] === 'lost') {
          await healer.found(reply)
          return undefined
        }
        if (reply[0] === 'healing') healer.waits()
        why = `the store is ${reply[0]}`
      } catch (error) {
        why = reasonOf(error)
      }
      if (clock.now() + AGAIN_MS >= until) throw fail('ledger_unavailable', { why })
      await clock.sleep(AGAIN_MS)
    }
  }

  /** Writes remembered moves once more; what no longer fits is left. Throws when the store does not take them. */
  const rewrite = async (moves: readonly { move: Move; at: number }[]): Promise<void> => {
    for (const { move, at } of moves) {
      const one = { move, at, until: clock.now() + 5_000, resolve: () => {}, reject: () => {} }
      try {
        await write([one], 'healing', known.inc)
      } catch (error) {
        if (error instanceof Refusal) throw error
        log.error('bug', { why: reasonOf(error), move: move.type })
      }
    }
  }

  const run = async (lane: string): Promise<void> => {
    while (queue.length > 0) {
      const taken = queue.splice(0, MOST)
      try {
        await write(taken, lane)
      } catch (error) {
        // Whoever has waited as long behind them waits no longer.
        const soon = clock.now() + AGAIN_MS
        const late = queue.filter((one) => one.until <= soon)
        if (late.length > 0) queue.splice(0, queue.length, ...queue.filter((one) => one.until > soon))
        for (const one of [...taken, ...late]) one.reject(error)
        if (!(error instanceof Refusal)) log.error('bug', { why: reasonOf(error) })
      }
    }
    free.add(lane)
  }

  /** Learns how the store stands, also that it is another server than before. */
  const look = async (): Promise<void> => {
    const seen = store.generation()
    const answer = await store.run(LOOK, [meta], [seconds(clock.now())])
    const [inc, seq, hash, epoch, other, ill] = answer as string[]
    // Also while nobody writes: its duties wait for it.
    if (Number(ill) === 1) healer.waits()
    if (Number(other) === 1) log.warn('store_is_another_server', { epoch: Number(epoch) })
    if (inc === known.inc && Number(seq) > known.seq) Object.assign(known, { seq: Number(seq), hash })
    if (inc === known.inc) known.epoch = Number(epoch)
    else await insist([], clock.now(), '', '')
    looked = seen
    lagging = lagging && !(await store.copied())
  }
  let looked = -1
  let lagging = false
  await look()
  // An idle instance notices too that the store was lost, in time to say what it remembers.
  const watching = setInterval(() => {
    if (isIdle()) void look().catch(() => {})
  }, WATCH_MS)
  watching.unref()

  return {
    post: (move) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(fail('ledger_unavailable'))
        if (lagging && (move.type === 'claim' || move.type === 'order'))
          return reject(fail('ledger_unavailable', { why: 'the replicas lag behind' }))
        const now = clock.now()
        queue.push({
          move,
          at: now,
          until: now + PATIENCE_MS,
          resolve: resolve as Waiting['resolve'],
          reject,
        })
        const [lane] = free
        if (lane === undefined) return
        free.delete(lane)
        // What arrives in the same turn goes together.
        setImmediate(() => void run(lane))
      }),
    ...redisQueries(store, cache),
    get epoch() {
      return known.epoch
    },
    raiseEpoch: async (to) => {
      known.epoch = Number(await store.run(RAISE, [meta], ['epoch', String(to)]))
      return known.epoch
    },
    close: async () => {
      while (queue.length > 0 || !isIdle()) await new Promise(setImmediate)
      closed = true
      clearInterval(watching)
      await healer.idle()
    },
  }
}

import { type Event, TOLD, told } from '../accounts/events.ts'
import type { Clock } from '../clock.ts'
import { type Log, reasonOf } from '../log.ts'
import type { Records, Row } from '../store/records.ts'

export type Told = Omit<Event, 'id' | 'time'>

/** Something that is not as it should be, for as long as it is seen. `name`: what it is the same by, ASCII without spaces. */
export type Condition = Told & { name: string }

/** A kind of conditions, whose names all begin with `prefix`. */
export type Source = {
  prefix: string
  /** How often it is looked at, ms; each time where left out. */
  everyMs?: number
  /** All conditions that are there now; `open`: the names of those that were told. What throws is looked at again, and nothing is over. */
  look: (open: ReadonlySet<string>) => Promise<readonly Condition[]>
  /** What is told when one is over. */
  over?: (name: string) => Told
}

export type WatchFacts = { records: Records; clock: Clock; log: Log; sources: readonly Source[] }

export type Watch = {
  /** Begins to look again and again: the duty of one instance at a time. */
  start: () => void
  stop: () => Promise<void>
  /** Looks once at every source whose time it is. */
  look: () => Promise<void>
}

const EVERY_MS = 15_000
/** What lasts so long is told again, ms. */
const AGAIN_MS = 7 * 86_400_000
const MOST = 1_000

/** Tells each condition once, until it is over; what was told is kept in the records, so that the next leader knows it. */
export const createWatch = ({ records, clock, log, sources }: WatchFacts): Watch => {
  const looked = new Map<Source, number>()
  let ending = new AbortController()
  let running: Promise<void> | undefined

  const one = async (source: Source): Promise<void> => {
    const rows = await records.list(TOLD, { prefix: source.prefix, limit: MOST })
    const open = new Set(rows.map(({ id }) => id))
    const now = await source.look(open)
    const time = clock.now()
    for (const { name, ...event } of now.filter((condition) => !open.has(condition.name)))
      await records.write(told({ ...event, time }, { name, forget: time + AGAIN_MS }))
    const names = new Set(now.map(({ name }) => name))
    for (const row of rows) if (!names.has(row.id)) await end(source, row, time)
  }
  const end = async ({ over }: Source, { id, version }: Row, time: number): Promise<void> => {
    const event = over ? told({ ...over(id), time }) : []
    await records.write([{ table: TOLD, id, drop: true, if: version }, ...event])
  }
  const look = async (): Promise<void> => {
    for (const source of sources) {
      if (ending.signal.aborted) return
      const last = looked.get(source)
      if (last !== undefined && clock.now() - last < (source.everyMs ?? 0)) continue
      looked.set(source, clock.now())
      await one(source).catch((error) =>
        log.warn('watch_failed', { of: source.prefix, why: reasonOf(error) }),
      )
    }
  }
  const run = async (signal: AbortSignal): Promise<void> => {
    // What has just started has seen nothing yet.
    for (;;) {
      await clock.sleep(EVERY_MS, signal)
      if (signal.aborted) return
      await look()
    }
  }

  return {
    look,
    start: () => {
      ending = new AbortController()
      running ??= run(ending.signal)
    },
    stop: async () => {
      ending.abort()
      await running
      running = undefined
    },
  }
}

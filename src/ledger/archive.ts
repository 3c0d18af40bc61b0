import type { Clock } from '../clock.ts'
import { type Log, reasonOf } from '../log.ts'
import type { Ledger } from './ledger.ts'
import type { Trimmer } from './redis-trim.ts'

/** Keeps all of a shared ledger in a file, and of the store only what is young or still at work. */
export type Archive = {
  /** Copies what is new, then drops what is old; also on a timer. */
  tick: () => Promise<{ copied: number; dropped: number }>
  start: () => void
  stop: () => Promise<void>
}

export type ArchiveFacts = {
  /** The shared ledger, and what can be dropped from it. */
  ledger: Pick<Ledger, 'journal'>
  trimmer: Trimmer
  /** A ledger of its own: every move is judged again as it is copied. Whoever gives it closes it. */
  archive: Ledger
  clock: Clock
  log: Log
  /** How long what has come to rest stays in the store, ms. */
  keepMs: number
}

const EVERY_MS = 5_000
const PAGE = 200
/** What is dropped in one look. */
const MOST = 2_000
/** An authorization is remembered for so long after it has ended, seconds. */
const CLAIM_S = 86_400
/** A window of a budget is a month at most, and counts in a rolling one for another; a refund may come later still. */
const WINDOWS_MS = 90 * 86_400_000
const FORGET_EVERY_MS = 3_600_000

export const createArchive = (facts: ArchiveFacts): Archive => {
  const { ledger, trimmer, archive, clock, log, keepMs } = facts
  let forgets = 0
  let timer: NodeJS.Timeout | undefined
  let running: Promise<{ copied: number; dropped: number }> | undefined

  /** Copies the journal as far as it goes; returns the number of the last line that is in the archive. */
  const copy = async (): Promise<{ last: number; copied: number }> => {
    const { inc, cut, from } = await trimmer.incarnation()
    const mark = `archive:${inc}`
    // Of the life before, some lines may stand that were not copied when it ended.
    const before = from === undefined ? undefined : await archive.cursor(`archive:${from}`)
    const begun = Math.min(cut, Number(before ?? cut))
    let last = Number((await archive.cursor(mark)) ?? begun)
    const first = await trimmer.firstLine()
    if (last + 1 < first) throw new Error(`lines ${last + 1} to ${first - 1} are in no store any more`)
    for (let copied = 0; ; ) {
      const lines = await ledger.journal(last, PAGE)
      // Posted together they share one transaction, in their order. What the archive knows already changes nothing.
      await Promise.all(lines.map(({ move }) => archive.post(move)))
      last = lines.at(-1)?.seq ?? last
      copied += lines.length
      if (lines.length > 0) await archive.moveCursor(mark, BigInt(last))
      if (lines.length < PAGE) return { last, copied }
    }
  }

  const drop = async (last: number): Promise<number> => {
    const before = clock.now() - keepMs
    const ended = BigInt(Math.floor(clock.now() / 1000) - CLAIM_S)
    const dropped = await trimmer.drop({
      before,
      most: MOST,
      may: (subject) => subject.is !== 'channel' && subject.validBefore < ended,
      // What the archive has not seen stays.
      upTo: last,
    })
    await trimmer.cut({ before, upTo: last })
    if (clock.now() >= forgets) {
      await trimmer.forget(clock.now() - WINDOWS_MS)
      forgets = clock.now() + FORGET_EVERY_MS
    }
    return dropped
  }

  const pass = async () => {
    const { last, copied } = await copy()
    return { copied, dropped: await drop(last) }
  }
  const tick = () => {
    running ??= pass().finally(() => {
      running = undefined
    })
    return running
  }
  const schedule = () => {
    timer = setTimeout(() => {
      tick()
        .catch((error: unknown) => log.error('archive_failed', { why: reasonOf(error) }))
        .finally(() => timer && schedule())
    }, EVERY_MS)
    timer.unref()
  }

  return {
    tick,
    start: schedule,
    stop: async () => {
      clearTimeout(timer)
      timer = undefined
      await running?.catch(() => {})
    },
  }
}

/** Writes all that an archive holds into an empty ledger, in the order in which it happened. Returns how many moves it was. */
export const restore = async (
  archive: Pick<Ledger, 'journal'>,
  into: Pick<Ledger, 'post' | 'lines'>,
  progress: (moves: number) => void = () => {},
): Promise<number> => {
  if ((await into.lines()) > 0) throw new Error('the ledger to restore into is not empty')
  for (let last = 0; ; ) {
    const lines = await archive.journal(last, PAGE)
    for (const { move } of lines) await into.post(move)
    last = lines.at(-1)?.seq ?? last
    progress(last)
    if (lines.length < PAGE) return last
  }
}

import { reasonOf } from '../log.ts'
import type { Deps } from './deps.ts'

const FIRST_WAIT_MS = 200
const LONGEST_WAIT_MS = 10_000

/**
 * Writes the end of a call whatever it takes: while the ledger cannot be written it is tried again in the background,
 * until it works or the process ends (then the next start does it). Throws the first failure.
 */
export const surely = async <T>(deps: Pick<Deps, 'clock' | 'log'>, write: () => Promise<T>): Promise<T> => {
  try {
    return await write()
  } catch (error) {
    void persist(deps, write)
    throw error
  }
}

/** Makes a claim; when nobody can say whether it was written, it is taken back as soon as the ledger answers. */
export const orTakeBack = async <T>(
  deps: Pick<Deps, 'clock' | 'log' | 'ledger'>,
  id: string,
  claim: () => Promise<T>,
): Promise<T> => {
  try {
    return await claim()
  } catch (error) {
    void persist(deps, () => deps.ledger.post({ type: 'reject', id, why: 'ledger_unavailable' }))
    throw error
  }
}

const persist = async (deps: Pick<Deps, 'clock' | 'log'>, write: () => Promise<unknown>): Promise<void> => {
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    await deps.clock.sleep(wait)
    try {
      await write()
      return
    } catch (error) {
      deps.log.error('ledger_write_waits', { why: reasonOf(error) })
    }
  }
}

import type { Clock } from '../clock.ts'
import { type Board, memoryBoard } from '../store/board.ts'

export type Health = {
  resting: (provider: string, hostModel: string) => boolean
  /** Milliseconds until the first resting host wakes; 0 when none rests. */
  wakesIn: () => number
  succeeded: (provider: string, hostModel: string) => void
  /** `restMs`: how long the host itself asked to be left alone (Retry-After), if it did. */
  failed: (provider: string, hostModel: string, restMs?: number) => void
}

const FIRST_REST_MS = 500
const LONGEST_REST_MS = 15_000
const LONGEST_ASKED_MS = 120_000
/** A failure is forgotten after so long without another, ms. */
const FORGOTTEN_MS = 600_000
const TOPIC = 'host '

/**
 * Remembers which hosts failed lately, for all instances that share the board. A host rests from its second failure in a
 * row, twice as long each time; one success wakes it.
 */
export const createHealth = ({
  clock,
  board = memoryBoard({ clock }),
}: {
  clock: Clock
  board?: Board
}): Health => {
  const key = (provider: string, hostModel: string) => `${TOPIC}${provider} ${hostModel}`
  const parse = (note: string | undefined): { failures: number; until: number } => {
    const [failures = 0, until = 0] = (note ?? '').split(' ').map(Number)
    return { failures, until }
  }
  const read = (provider: string, hostModel: string) => parse(board.read(key(provider, hostModel)))
  return {
    resting: (provider, hostModel) => read(provider, hostModel).until > clock.now(),
    wakesIn: () => {
      const waits = Object.values(board.under(TOPIC))
        .map((note) => parse(note).until - clock.now())
        .filter((wait) => wait > 0)
      return waits.length === 0 ? 0 : Math.min(...waits)
    },
    succeeded: (provider, hostModel) => board.erase(key(provider, hostModel)),
    failed: (provider, hostModel, restMs) => {
      const failures = read(provider, hostModel).failures + 1
      const own =
        failures < 2 ? 0 : Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** Math.min(failures - 2, 10))
      const rest = Math.max(own, Math.min(restMs ?? 0, LONGEST_ASKED_MS))
      board.write(key(provider, hostModel), `${failures} ${clock.now() + rest}`, FORGOTTEN_MS)
    },
  }
}

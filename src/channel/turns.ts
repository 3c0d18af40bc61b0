import { fail } from '../errors.ts'

/** Whose turn it is on a channel: one at a time, in the order of arrival. */
export type Turns = {
  /** Resolves when it is the caller's turn; what it returns ends the turn. `channel_busy` when that takes too long, or too many wait. */
  enter: (channel: string, signal?: AbortSignal) => Promise<() => void>
}

const WAIT_MS = 5_000
const MOST = 32

export const createTurns = ({ waitMs = WAIT_MS, most = MOST } = {}): Turns => {
  /** Those who wait, by channel; a channel that is there is taken. */
  const lines = new Map<string, (() => void)[]>()

  const next = (channel: string) => {
    const first = lines.get(channel)?.shift()
    if (first) first()
    else lines.delete(channel)
  }

  const once = (channel: string): (() => void) => {
    let inside = true
    return () => {
      if (inside) next(channel)
      inside = false
    }
  }

  const wait = (line: (() => void)[], signal: AbortSignal | undefined) =>
    new Promise<void>((resolve, reject) => {
      const done = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', leave)
      }
      const called = () => {
        done()
        resolve()
      }
      const leave = () => {
        done()
        line.splice(line.indexOf(called), 1)
        reject(fail('channel_busy'))
      }
      const timer = setTimeout(leave, waitMs)
      signal?.addEventListener('abort', leave, { once: true })
      line.push(called)
    })

  return {
    enter: async (channel, signal) => {
      const line = lines.get(channel)
      if (!line) {
        lines.set(channel, [])
        return once(channel)
      }
      if (line.length >= most || signal?.aborted) throw fail('channel_busy')
      await wait(line, signal)
      return once(channel)
    },
  }
}

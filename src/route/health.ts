import type { Clock } from '../clock.ts'

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

/** Remembers which hosts failed lately. A host rests from its second failure in a row, twice as long each time; one success wakes it. */
export const createHealth = ({ clock }: { clock: Clock }): Health => {
  const hosts = new Map<string, { failures: number; until: number }>()
  const key = (provider: string, hostModel: string) => `${provider} ${hostModel}`
  return {
    resting: (provider, hostModel) => (hosts.get(key(provider, hostModel))?.until ?? 0) > clock.now(),
    wakesIn: () => {
      const waits = [...hosts.values()].map((host) => host.until - clock.now()).filter((wait) => wait > 0)
      return waits.length === 0 ? 0 : Math.min(...waits)
    },
    succeeded: (provider, hostModel) => void hosts.delete(key(provider, hostModel)),
    failed: (provider, hostModel, restMs) => {
      const failures = (hosts.get(key(provider, hostModel))?.failures ?? 0) + 1
      const own =
        failures < 2 ? 0 : Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** Math.min(failures - 2, 10))
      const rest = Math.max(own, Math.min(restMs ?? 0, LONGEST_ASKED_MS))
      hosts.set(key(provider, hostModel), { failures, until: clock.now() + rest })
    },
  }
}

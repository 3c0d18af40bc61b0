/**
 * admit/: who gets in, how often, and how much at once. Requests are counted by caller before they cost anything; calls
 * to a provider are as many as it takes well. All of it may err on the side of the caller: money never rests on it.
 */
import { fail } from '../errors.ts'
import type { Buckets } from './buckets.ts'
import type { Rate, Taken } from './gcra.ts'

/** What a request is: free or not paid for yet, shown with a payment, or signed in for. */
export type Kind = 'unpaid' | 'paid' | 'signIn'

/** Whom it is counted for: a network address, the account that pays once its signature is proven, an API key by its id. */
export type By = 'address' | 'payer' | 'key'

/** Undefined where there is no limit. */
export type Limits = Readonly<Record<Kind, Readonly<Partial<Record<By, Rate | undefined>>>>>

export type Admission = {
  /**
   * Counts a request once for each of its subjects, and refuses with `rate_limited` when one has asked too much. A
   * promise only where the fleet has to be asked; it takes at most a tenth of a second.
   */
  admit: (kind: Kind, subjects: Readonly<Partial<Record<By, string>>>) => void | Promise<void>
  /** Counts a call of a key, or of what stands above it, by a rate of its own. */
  within: (name: string, rate: Rate) => Promise<void>
  /** Requests refused so far, by kind and subject, such as `unpaid address`. */
  refused: () => Readonly<Record<string, number>>
}

/** Counts requests in buckets: one for each kind, subject and name. */
export const createAdmission = ({ limits, buckets }: { limits: Limits; buckets: Buckets }): Admission => {
  const refused: Record<string, number> = {}

  const judge = (kind: Kind, by: By, rate: Rate, taken: Taken): void => {
    if (taken.ok) return
    const name = `${kind} ${by}`
    refused[name] = (refused[name] ?? 0) + 1
    throw fail('rate_limited', { by, ...headerFields(`${kind}-${by}`, rate, taken.waitMs) })
  }

  const admit: Admission['admit'] = (kind, subjects) => {
    const asked: Asked[] = []
    for (const by of SUBJECTS) {
      const rate = limits[kind][by]
      const name = subjects[by]
      if (rate === undefined || name === undefined) continue
      asked.push({ by, rate, taken: buckets.take(`${kind}:${by}:${name}`, rate) })
    }
    if (!asked.some(({ taken }) => taken instanceof Promise)) {
      for (const { by, rate, taken } of asked) judge(kind, by, rate, taken as Taken)
      return undefined
    }
    const all = asked.map(async ({ by, rate, taken }) => ({ by, rate, taken: await taken }))
    return Promise.all(all).then((known) => {
      for (const { by, rate, taken } of known) judge(kind, by, rate, taken)
    })
  }
  const within: Admission['within'] = async (name, rate) =>
    judge('paid', 'key', rate, await buckets.take(`rate:${name}`, rate))
  return { admit, within, refused: () => refused }
}

type Asked = { by: By; rate: Rate; taken: Taken | Promise<Taken> }

const SUBJECTS: readonly By[] = ['address', 'key', 'payer']

// The fields of draft-ietf-httpapi-ratelimit-headers: quota and window of the policy; what remains, and in how many seconds there is more.
const headerFields = (policy: string, { perSecond, burst }: Rate, waitMs: number) => {
  const retryAfter = Math.max(1, Math.ceil(waitMs / 1000))
  return {
    retryAfter,
    policy: `"${policy}";q=${burst};w=${Math.max(1, Math.ceil(burst / perSecond))}`,
    limit: `"${policy}";r=0;t=${retryAfter}`,
  }
}

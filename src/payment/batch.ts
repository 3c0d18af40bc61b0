import type { Job } from './jobs.ts'

/** Who may send an item: anyone, or only the settler that the payer signed for. */
export type Sender = 'anyone' | 'settler'

/** When settlements go out together. */
export type BatchPolicy = {
  /** Longest wait for company, ms: the latency ceiling of a settlement. */
  maxDelayMs: number
  /** Fewer than this wait for the latency ceiling. */
  min: number
  /** Most items of one transaction. */
  max: number
}

export type Group = { sender: Sender; jobs: readonly Job[] }

export type BatchFacts = {
  /** Jobs that wait for a transaction. */
  waiting: readonly Job[]
  senderOf: (job: Job) => Sender
  /** Calls that are being served now: they will bring company. */
  serving: number
  /** The settler's account can send many items as itself. */
  delegated: boolean
  now: number
}

/**
 * Decides which settlements go out now, and which of them together. What waits for company waits no longer than the
 * latency ceiling, and not at all when nothing else is being served.
 */
export const groups = (policy: BatchPolicy, facts: BatchFacts): Group[] => {
  const { waiting, senderOf } = facts
  const single = (job: Job) => job.alone || (senderOf(job) === 'settler' && !facts.delegated)
  const alone = waiting.filter(single).map((job): Group => ({ sender: senderOf(job), jobs: [job] }))
  const shared = (['anyone', 'settler'] as const).flatMap((sender) => {
    const jobs = waiting.filter((job) => !single(job) && senderOf(job) === sender)
    return jobs.length === 0 ? [] : parts(policy, facts, sender, jobs)
  })
  return [...alone, ...shared].toSorted((a, b) => oldest(a) - oldest(b))
}

const parts = (policy: BatchPolicy, facts: BatchFacts, sender: Sender, jobs: readonly Job[]): Group[] => {
  const sorted = jobs.toSorted((a, b) => a.since - b.since)
  const whole = Math.floor(sorted.length / policy.max)
  const full = Array.from({ length: whole }, (_, i) => sorted.slice(i * policy.max, (i + 1) * policy.max))
  const rest = sorted.slice(whole * policy.max)
  if (rest.length > 0 && isRipe(policy, facts, rest)) full.push(rest)
  return full.map((some) => ({ sender, jobs: some }))
}

const isRipe = (policy: BatchPolicy, { now, serving }: BatchFacts, rest: readonly Job[]): boolean => {
  if (now - rest[0]!.since >= policy.maxDelayMs) return true
  return serving === 0 && rest.length >= policy.min
}

const oldest = ({ jobs }: Group): number => Math.min(...jobs.map((job) => job.since))

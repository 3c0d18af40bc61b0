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

/** Jobs of one transaction. */
export type Group = readonly Job[]

export type BatchFacts = {
  /** Jobs that wait for a transaction. */
  waiting: readonly Job[]
  /** The company that a job can go in; undefined when it goes alone. */
  companyOf: (job: Job) => Sender | undefined
  /** The most gas that it uses there. */
  gasOf: (job: Job) => bigint
  /** Calls that are being served now: they will bring company. */
  serving: number
  now: number
  /** Nothing waits any longer. */
  all?: boolean
}

/** Most gas of one transaction: chains refuse more than 16.7 million (EIP-7825), and a large one has to wait for an emptier block. */
const MOST_GAS = 12_000_000n

/**
 * Decides which settlements go out now, and which of them together. What waits for company waits no longer than the
 * latency ceiling, and not at all when nothing else is being served.
 */
export const groups = (policy: BatchPolicy, facts: BatchFacts): Group[] => {
  const sorted = facts.waiting.toSorted((a, b) => a.since - b.since)
  const alone = sorted.filter((job) => facts.companyOf(job) === undefined).map((job): Group => [job])
  const shared = (['anyone', 'settler'] as const).flatMap((company) => {
    const parts = split(
      policy,
      facts,
      sorted.filter((job) => facts.companyOf(job) === company),
    )
    const last = parts.at(-1)
    return last && !isRipe(policy, facts, last) ? parts.slice(0, -1) : parts
  })
  return [...alone, ...shared].toSorted((a, b) => a[0]!.since - b[0]!.since)
}

/** Parts as large as may be; only the last one can be smaller. */
const split = ({ max }: BatchPolicy, { gasOf }: BatchFacts, jobs: readonly Job[]): Group[] => {
  const parts: Job[][] = []
  let gas = 0n
  for (const job of jobs) {
    const part = parts.at(-1)
    const more = gasOf(job)
    if (part && part.length < max && gas + more <= MOST_GAS) {
      part.push(job)
      gas += more
    } else {
      parts.push([job])
      gas = more
    }
  }
  return parts
}

const isRipe = (policy: BatchPolicy, { now, serving, all }: BatchFacts, part: Group): boolean => {
  if (all || part.length >= policy.max || now - part[0]!.since >= policy.maxDelayMs) return true
  return serving === 0 && part.length >= policy.min
}

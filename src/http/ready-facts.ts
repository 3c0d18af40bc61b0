import type { ChainId, Hex } from '../assets.ts'
import { createNode, type NodeView } from '../chain/nodes.ts'
import type { Clock } from '../clock.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Readiness } from './readiness.ts'
import { type ChainFacts, judgeReady, leavingNow } from './ready.ts'

export type ReadinessFacts = {
  ledger: Pick<Ledger, 'lastNonce'>
  /** The store's own clock, ms; left out where the store is in this process. */
  storeNow?: () => Promise<number>
  chains: readonly (Pick<ChainFacts, 'id' | 'maxAgeSeconds' | 'maxFee' | 'relayed'> & {
    rpc: readonly string[]
  })[]
  settler: Hex
  clock: Clock
  /** True once the process is told to end. */
  leaving: () => boolean
}

export type ReadinessDesk = {
  /** Answers within two seconds whatever hangs, out of what was seen in the last second where it can. */
  ask: () => Promise<Readiness>
  close: () => Promise<void>
}

const FRESH_MS = 1_000
const LONGEST_MS = 1_500
/** Heads that are remembered, to know how fast the chain is. */
const HEADS = 64
const FEWEST_BLOCKS = 5n

/** Looks at all that money needs, each thing by itself, and judges it. */
export const createReadiness = (facts: ReadinessFacts): ReadinessDesk => {
  const { ledger, storeNow, settler, clock, leaving } = facts
  const store = source(async () => {
    const from = clock.now()
    const [, theirs] = await Promise.all([ledger.lastNonce('', settler), storeNow?.()])
    const to = clock.now()
    const clockMs = theirs === undefined ? undefined : Math.round(theirs - (from + to) / 2)
    return { ms: to - from, clockMs }
  })
  const chains = facts.chains.map(({ rpc, ...one }) => {
    const nodes = [...new Set(rpc)].map(createNode)
    const looks = nodes.map((node) => source(() => node.look(settler)))
    const pace = createPace(one.id)
    const look = async (): Promise<ChainFacts> => {
      const seen = await Promise.all(looks.map((ask) => ask()))
      return { ...one, nodes: seen, blockSeconds: pace(seen) }
    }
    return { look, close: () => Promise.all(nodes.map((node) => node.close())) }
  })

  return {
    ask: async () => {
      if (leaving()) return leavingNow
      const [seen, ...looked] = await Promise.all([store(), ...chains.map((one) => one.look())] as const)
      if (leaving()) return leavingNow
      return judgeReady({ now: clock.now(), settler, store: seen, chains: looked })
    },
    close: async () => {
      await Promise.all(chains.map((one) => one.close()))
    },
  }
}

/** Asks at most once a second and never twice at once; undefined when there is no answer in time. */
const source = <T>(ask: () => Promise<T>): (() => Promise<T | undefined>) => {
  let seen: { at: number; value: T | undefined } | undefined
  let running: Promise<T | undefined> | undefined
  const begin = (): Promise<T | undefined> =>
    ask()
      .catch(() => undefined)
      .then((value) => {
        seen = { at: performance.now(), value }
        running = undefined
        return value
      })
  return () => {
    if (seen && performance.now() - seen.at < FRESH_MS) return Promise.resolve(seen.value)
    running ??= begin()
    return within(running, LONGEST_MS)
  }
}

const within = async <T>(work: Promise<T>, ms: number): Promise<T | undefined> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

/** Seconds between the blocks of a chain, from the heads that were seen. */
const createPace = (id: ChainId) => {
  const heads: { number: bigint; timestamp: number }[] = []
  return (nodes: readonly (NodeView | undefined)[]): number | undefined => {
    for (const node of nodes) {
      const last = heads.at(-1)
      if (node?.chain === id && (last === undefined || node.head.number > last.number)) heads.push(node.head)
      if (heads.length > HEADS) heads.shift()
    }
    const [first, last] = [heads[0], heads.at(-1)]
    if (!first || !last || last.number - first.number < FEWEST_BLOCKS) return undefined
    return (last.timestamp - first.timestamp) / Number(last.number - first.number)
  }
}

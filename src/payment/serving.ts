import type { ChainId } from '../assets.ts'

/** Calls that are being served and have not come to their settlement yet, by the chain that pays. */
export type Serving = {
  /** Says that one is; call what it returns when it is no longer: more than once does no harm. */
  enter: (chain: ChainId) => () => void
  count: (chain: ChainId) => number
}

export const createServing = (): Serving => {
  const counts = new Map<ChainId, number>()
  const add = (chain: ChainId, by: number) => counts.set(chain, (counts.get(chain) ?? 0) + by)
  return {
    enter: (chain) => {
      let inside = true
      add(chain, 1)
      return () => {
        if (inside) add(chain, -1)
        inside = false
      }
    },
    count: (chain) => counts.get(chain) ?? 0,
  }
}

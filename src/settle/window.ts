import type { Hex } from '../assets.ts'
import type { Chain } from '../chain/chain.ts'
import type { Proof } from '../ledger/call.ts'

/** Blocks that our proofs stand in, until the chain calls them final. */
export type Window = {
  /** Watches a proof; a call has one at a time. */
  add: (call: string, proof: Pick<Proof, 'block' | 'blockHash'>) => void
  remove: (call: string) => void
  /** Calls whose block is no longer canonical. They stay until removed, so that none is forgotten half-way. */
  takenBack: (head: bigint) => Promise<string[]>
  /** Forgets what the chain calls final; asks it once in a while only. */
  prune: (head: bigint) => Promise<void>
}

/** Where a chain has no `finalized` tag, a block this deep is taken for final. */
export const DEEP = 1_000n
const CHECK_FINAL_EVERY = 20

/** Watches for reorganisations. A chain is linear: while our newest block stands, all older ones do, so a look costs one read. */
export const createWindow = (chain: Chain): Window => {
  const blocks = new Map<bigint, { hash: Hex; calls: Set<string> }[]>()
  const blockOf = new Map<string, bigint>()
  let looks = 0

  const remove = (call: string): void => {
    const block = blockOf.get(call)
    blockOf.delete(call)
    if (block === undefined) return
    const versions = blocks.get(block) ?? []
    for (const one of versions) one.calls.delete(call)
    const left = versions.filter((one) => one.calls.size > 0)
    if (left.length > 0) blocks.set(block, left)
    else blocks.delete(block)
  }

  return {
    add: (call, { block, blockHash }) => {
      remove(call)
      blockOf.set(call, block)
      const versions = blocks.get(block) ?? []
      const version = versions.find((one) => one.hash === blockHash)
      if (version) version.calls.add(call)
      else blocks.set(block, [...versions, { hash: blockHash, calls: new Set([call]) }])
    },
    remove,
    takenBack: async (head) => {
      const lost: string[] = []
      // A node that is behind knows nothing of newer blocks: that is no reason to doubt them.
      const known = [...blocks.keys()].filter((block) => block <= head).toSorted((a, b) => (a < b ? 1 : -1))
      for (const block of known) {
        const [canonical] = await chain.blockHashes([block])
        if (canonical === undefined) continue
        const versions = blocks.get(block) ?? []
        lost.push(...versions.filter((one) => one.hash !== canonical).flatMap((one) => [...one.calls]))
        if (versions.some((one) => one.hash === canonical)) break
      }
      return lost
    },
    prune: async (head) => {
      if (blocks.size === 0 || looks++ % CHECK_FINAL_EVERY !== 0) return
      const told = await chain.finalized()
      const final = told > 0n ? told : head - DEEP
      for (const [call, block] of blockOf) if (block <= final) remove(call)
    },
  }
}

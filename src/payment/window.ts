import type { Hex } from '../assets.ts'
import type { Chain } from '../chain/chain.ts'
import type { Proof } from '../ledger/call.ts'

/** Blocks that our proofs stand in, until the chain calls them final. */
export type Window = {
  add: (call: string, proof: Proof) => void
  /** Calls whose block is no longer canonical; they leave the window. */
  takenBack: (head: bigint) => Promise<string[]>
}

/** Where a chain has no `finalized` tag, a block this deep is taken for final. */
const DEEP = 1_000n
const CHECK_FINAL_EVERY = 20

/** Watches for reorganisations. A chain is linear: while our newest block stands, all older ones do, so a look costs one read. */
export const createWindow = (chain: Chain): Window => {
  const blocks = new Map<bigint, { hash: Hex; calls: Set<string> }[]>()
  let looks = 0

  const newest = (): bigint | undefined => {
    let found: bigint | undefined
    for (const block of blocks.keys()) if (found === undefined || block > found) found = block
    return found
  }

  const prune = async (head: bigint): Promise<void> => {
    if (looks++ % CHECK_FINAL_EVERY !== 0) return
    const told = await chain.finalized()
    const final = told > 0n ? told : head - DEEP
    for (const block of blocks.keys()) if (block <= final) blocks.delete(block)
  }

  return {
    add: (call, { block, blockHash }) => {
      const versions = blocks.get(block) ?? []
      const version = versions.find((one) => one.hash === blockHash)
      if (version) version.calls.add(call)
      else blocks.set(block, [...versions, { hash: blockHash, calls: new Set([call]) }])
    },
    takenBack: async (head) => {
      const lost: string[] = []
      for (let block = newest(); block !== undefined; block = newest()) {
        const [canonical] = await chain.blockHashes([block])
        const versions = blocks.get(block)!
        const standing = versions.filter((one) => one.hash === canonical)
        lost.push(...versions.filter((one) => one.hash !== canonical).flatMap((one) => [...one.calls]))
        if (standing.length > 0) {
          blocks.set(block, standing)
          break
        }
        blocks.delete(block)
      }
      await prune(head)
      return lost
    },
  }
}

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

/** `linked`: all that is below it was seen to stand since it came, so that its own chain holds them. */
type Version = { hash: Hex; calls: Set<string>; linked: boolean }

/**
 * Watches for reorganisations. A chain is linear: while our newest block stands, all older ones that were looked at since
 * it came do too, so a look costs one read, and two after a block was added.
 */
export const createWindow = (chain: Chain): Window => {
  const blocks = new Map<bigint, Version[]>()
  const blockOf = new Map<string, bigint>()
  let looks = 0
  /** Blocks that came below others. */
  let inserted = 0

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

  /** From the newest block down to the first that is linked: what is not on the chain, and what is. `whole`: the node knew all of them. */
  const look = async (head: bigint): Promise<{ lost: string[]; standing: Version[]; whole: boolean }> => {
    const found = { lost: [] as string[], standing: [] as Version[], whole: true }
    // A node that is behind knows nothing of newer blocks: that is no reason to doubt them.
    const known = [...blocks.keys()].filter((block) => block <= head).toSorted((a, b) => (a < b ? 1 : -1))
    for (let at = 0, size = 1; at < known.length; at += size, size *= 4) {
      const part = known.slice(at, at + size)
      for (const [i, hash] of (await chain.blockHashes(part)).entries()) {
        if (hash === undefined) {
          found.whole = false
          continue
        }
        const versions = blocks.get(part[i]!) ?? []
        found.lost.push(...versions.filter((one) => one.hash !== hash).flatMap((one) => [...one.calls]))
        const stands = versions.find((one) => one.hash === hash)
        if (stands?.linked) return found
        if (stands) found.standing.push(stands)
      }
    }
    return found
  }

  return {
    add: (call, { block, blockHash }) => {
      remove(call)
      blockOf.set(call, block)
      const versions = blocks.get(block) ?? []
      const version = versions.find((one) => one.hash === blockHash)
      if (version) return void version.calls.add(call)
      blocks.set(block, [...versions, { hash: blockHash, calls: new Set([call]), linked: false }])
      for (const [above, others] of blocks) {
        if (above <= block) continue
        inserted++
        for (const one of others) one.linked = false
      }
    },
    remove,
    takenBack: async (head) => {
      const before = inserted
      const { lost, standing, whole } = await look(head)
      if (whole && lost.length === 0 && inserted === before) for (const one of standing) one.linked = true
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

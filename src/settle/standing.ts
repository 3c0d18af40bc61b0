import type { Chain, Inclusion } from '../chain/chain.ts'
import type { Finding } from './prove.ts'

/** A transaction in a block, and whether that block is in the chain: a receipt says the first only. */
export type Standing = { inclusion: Inclusion; canonical: boolean }

/** Where transactions stand; those in no block are left out. */
export const standing = async (chain: Chain, hashes: readonly `0x${string}`[]): Promise<Standing[]> => {
  const inclusions = (await chain.inclusions(hashes)).filter((one) => one !== undefined)
  const blocks = [...new Set(inclusions.map((one) => one.block))]
  const canonical = await chain.blockHashes(blocks)
  return inclusions.map((inclusion) => ({
    inclusion,
    canonical: canonical[blocks.indexOf(inclusion.block)] === inclusion.blockHash,
  }))
}

/** The same transfer proves one item only; who comes second has to look again. */
export const onceEach = (findings: readonly (Finding | undefined)[]): (Finding | undefined)[] => {
  const proofs = new Set<string>()
  return findings.map((finding) => {
    if (finding?.kind !== 'paid' || finding.proof.logIndex < 0) return finding
    const key = `${finding.proof.hash} ${finding.proof.logIndex}`
    if (proofs.has(key)) return undefined
    proofs.add(key)
    return finding
  })
}

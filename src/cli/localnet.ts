import type { Hex } from '../assets.ts'
import { deployUsdc, localClient, mint } from './demo/localnet.ts'

export type LocalnetFacts = { rpc: string; key: Hex; to: string | undefined; out: (line: string) => void }

/** The first contract of anvil's first account. */
const FIRST_TOKEN = '0x5FbDB2315678afecb367f032d93F642f64180aa3'
const GIFT = 1_000_000_000n

/** `farebox localnet`: puts the test USDC on a fresh local net (once), and 1,000 of it into a wallet. */
export const localnet = async ({ rpc, key, to, out }: LocalnetFacts): Promise<number> => {
  const client = await localClient(rpc, key)
  const there = await client.getCode({ address: FIRST_TOKEN })
  const token = there ? FIRST_TOKEN : (await deployUsdc({ url: rpc, deployerKey: key })).address
  out(`test USDC at ${token} on eip155:${client.chain.id}`)
  if (to !== undefined) {
    await mint({ url: rpc, deployerKey: key, token, to: to as Hex, amount: GIFT })
    out(`1,000 USDC for ${to}`)
  }
  return 0
}

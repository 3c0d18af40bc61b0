import { createRpc } from './rpc.ts'

/** The number of the chain that one node serves, undefined when it does not answer. Unchecked: a wrong node must be named, not passed over as unreachable. */
export const chainServedAt = async (url: string): Promise<number | undefined> => {
  const rpc = createRpc([url])
  try {
    return Number(await rpc.call('eth_chainId', []))
  } catch {
    return undefined
  } finally {
    await rpc.close()
  }
}

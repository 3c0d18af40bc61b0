import type { Address, Hex } from 'viem'
import { keccak256, pad, toHex } from 'viem'
import { rpc } from '../../src/cli/demo/localnet.ts'

/** Where Circle's token proxy keeps its implementation and its admin. Source: FiatTokenProxy, verified on every chain that has USDC. */
const IMPLEMENTATION = keccak256(toHex('org.zeppelinos.proxy.implementation'))
const ADMIN = keccak256(toHex('org.zeppelinos.proxy.admin'))

/**
 * Puts a deployed token behind a proxy as USDC's is, at the same address and with the same storage: two slots are read
 * and the code is called by delegatecall. Returns the address of the implementation. Needs anvil.
 */
export async function putBehindProxy(url: string, token: Address): Promise<Address> {
  const implementation: Address = '0x1111111111111111111111111111111111111ace'
  const code = await rpc<Hex>(url, 'eth_getCode', [token, 'latest'])
  await rpc(url, 'anvil_setCode', [implementation, code])
  await rpc(url, 'anvil_setStorageAt', [token, IMPLEMENTATION, pad(implementation)])
  await rpc(url, 'anvil_setStorageAt', [token, ADMIN, pad('0xad')])
  await rpc(url, 'anvil_setCode', [token, proxyCode])
  return implementation
}

// The admin may not call through; everybody else's call goes to the implementation, with its answer or its revert.
const proxyCode: Hex = `0x${[
  `7f${ADMIN.slice(2)}543314606157`, // sload(admin) == caller → 0x61
  '365f5f37', // calldatacopy(0, 0, calldatasize)
  `5f5f365f7f${IMPLEMENTATION.slice(2)}545af4`, // delegatecall(gas, sload(implementation), 0, calldatasize, 0, 0)
  '3d5f5f3e', // returndatacopy(0, 0, returndatasize)
  '605d57', // it went well → 0x5d
  '3d5ffd', // revert(0, returndatasize)
  '5b3d5ff3', // 0x5d: return(0, returndatasize)
  '5b5f5ffd', // 0x61: revert(0, 0)
].join('')}`

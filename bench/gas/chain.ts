import type { Address, Hash, Hex } from 'viem'
import { encodeFunctionData, maxUint256, toHex } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { privateKeyToAccount } from 'viem/accounts'
import { erc20Abi } from '../../contracts-abi/erc20.ts'
import type { Localnet } from '../../src/cli/demo/localnet.ts'
import { deployUsdc, localClient, mint, rpc } from '../../src/cli/demo/localnet.ts'
import { delegate, deployExecutor, placeX402, x402 } from '../../test/support/x402-contracts.ts'
import { putBehindProxy } from './proxy.ts'

export const payTo: Address = '0x000000000000000000000000000000000000bEEF'
/** What one call costs, in atomic USDC. */
export const price = 1_000n

/** A chain with the contracts on it, payers who keep a balance after paying, and a settler that is delegated. */
export type Bench = {
  usdc: Address
  payers: PrivateKeyAccount[]
  settler: Address
  /** Sends one transaction as the settler and resolves to the gas it used; throws when it reverts. */
  send: (to: Address, data: Hex, gas?: bigint) => Promise<{ gas: bigint; logs: { topics: Hex[] }[] }>
}

/** Sets the scene: every payer has tokens and has approved Permit2, and payTo already holds a balance. */
export async function openBench(net: Localnet, payerCount: number): Promise<Bench> {
  const [deployer, settlerKey] = net.accounts
  const sender = { url: net.url, deployerKey: deployer!.privateKey }
  await placeX402(net.url)
  const executor = await deployExecutor(sender)
  const usdc = (await deployUsdc(sender)).address
  await putBehindProxy(net.url, usdc)
  await delegate({ url: net.url, privateKey: settlerKey!.privateKey, to: executor })
  await mint({ ...sender, token: usdc, to: payTo, amount: price })
  const payers = Array.from({ length: payerCount }, (_, index) =>
    privateKeyToAccount(toHex(BigInt(index + 1) << 64n, { size: 32 })),
  )
  for (const { address } of payers) {
    await mint({ ...sender, token: usdc, to: address, amount: 1_000_000_000n })
    await approvePermit2(net.url, address, usdc)
  }
  const settler = await localClient(net.url, settlerKey!.privateKey)
  const send: Bench['send'] = async (to, data, gas = 16_000_000n) =>
    mined(net.url, await settler.sendTransaction({ to, data, gas }))
  return { usdc, payers, settler: settler.account.address, send }
}

async function approvePermit2(url: string, from: Address, to: Address): Promise<void> {
  const data = encodeFunctionData({
    abi: erc20Abi,
    functionName: 'approve',
    args: [x402.permit2, maxUint256],
  })
  await rpc(url, 'anvil_setBalance', [from, toHex(10n ** 18n)])
  await rpc(url, 'anvil_impersonateAccount', [from])
  await mined(url, await rpc<Hash>(url, 'eth_sendTransaction', [{ from, to, data }]))
  await rpc(url, 'anvil_stopImpersonatingAccount', [from])
}

async function mined(url: string, hash: Hash) {
  type Receipt = { status: Hex; gasUsed: Hex; logs: { topics: Hex[] }[] }
  for (let tries = 0; tries < 1_000; tries++) {
    const receipt = await rpc<Receipt | null>(url, 'eth_getTransactionReceipt', [hash])
    if (receipt?.status === '0x1') return { gas: BigInt(receipt.gasUsed), logs: receipt.logs }
    if (receipt) throw new Error(`transaction ${hash} reverted`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`transaction ${hash} was not mined`)
}

import { readFile } from 'node:fs/promises'
import type { Address, Hash, Hex } from 'viem'
import { concat, getAddress, keccak256, pad, toHex } from 'viem'
import { batchExecutor } from '../../src/chain/batch-executor.generated.ts'
import { localClient, rpc } from '../../src/cli/demo/localnet.ts'
import { testDelegate, testProbe, testUsdt, testWallet1271 } from './test-contracts.generated.ts'
import * as code from './x402-code.generated.ts'

/** Where the public contracts of x402 are on every chain, and after `placeX402` on a local one. */
export const x402 = {
  permit2: '0x000000000022D473030F116dDEE9F6B43aC78BA3',
  multicall3: '0xcA11bde05977b3631167028862bE2a173976CA11',
  exactProxy: '0x402085c248EeA27D92E8b30b2C58ed07f9E20001',
  uptoProxy: '0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002',
  batchSettlement: '0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003',
  erc3009Collector: '0x4020806089470a89826cB9fB1f4059150b550004',
  permit2Collector: '0x4020425FAf3B746C082C2f942b4E5159887B0005',
} as const

const create2Deployer = '0x4e59b44847b379578588920cA78FbF26c0B4956C'

const permit2Type = keccak256(toHex('EIP712Domain(string name,uint256 chainId,address verifyingContract)'))
const built = {
  chainId: (31337).toString(16).padStart(64, '0'),
  domain: 'd5a17abc3865df5c1400c0299bd4ce2eefc8114aec5f9d3dded1745783e57b98',
}

type Sender = { url: string; deployerKey: Hex }

/** Puts Permit2, Multicall3 and our stand-ins for the x402 contracts on their canonical addresses; needs anvil. */
export async function placeX402(url: string): Promise<void> {
  const codes: [Address, Hex][] = [
    [x402.permit2, await permit2Code(url)],
    [x402.multicall3, await multicall3Code(url)],
    [x402.exactProxy, code.exactProxyCode],
    [x402.uptoProxy, code.uptoProxyCode],
    [x402.batchSettlement, code.batchSettlementCode],
    [x402.erc3009Collector, code.erc3009CollectorCode],
    [x402.permit2Collector, code.permit2CollectorCode],
  ]
  await Promise.all(codes.map((pair) => rpc(url, 'anvil_setCode', pair)))
}

/** Deploys the test USDT; its deployer is the owner: issuer, pauser, blacklister, and who gets the fees. */
export const deployUsdt = (sender: Sender) => deploy(sender, testUsdt.abi, testUsdt.bytecode)

/** Deploys an ERC-1271 wallet that `owner`'s key signs for and commands. */
export const deployWallet1271 = ({ owner, ...sender }: Sender & { owner: Address }) =>
  deploy(sender, testWallet1271.abi, testWallet1271.bytecode, [owner])

/** Deploys what a payer's key may be delegated to by EIP-7702. */
export const deployDelegate = (sender: Sender) => deploy(sender, testDelegate.abi, testDelegate.bytecode)

/** Deploys the target that misbehaves on demand. */
export const deployProbe = (sender: Sender) => deploy(sender, testProbe.abi, testProbe.bytecode)

/** Issues `amount` atomic units of the test USDT and sends them to `to`; a fee that is switched on is taken. */
export async function mintUsdt(options: Sender & { token: Address; to: Address; amount: bigint }) {
  const client = await localClient(options.url, options.deployerKey)
  const token = { address: options.token, abi: testUsdt.abi } as const
  const { to, amount } = options
  await mined(options.url, await client.writeContract({ ...token, functionName: 'issue', args: [amount] }))
  await mined(
    options.url,
    await client.writeContract({ ...token, functionName: 'transfer', args: [to, amount] }),
  )
}

/** Deploys BatchExecutor through the CREATE2 deployer, salt 0; does nothing when it is there already. */
export async function deployExecutor({ url, deployerKey }: Sender): Promise<Address> {
  const address = getAddress(batchExecutor.address)
  const client = await localClient(url, deployerKey)
  if (await client.getCode({ address })) return address
  const data = `0x${'0'.repeat(64)}${batchExecutor.bytecode.slice(2)}` as Hex
  await mined(url, await client.sendTransaction({ to: create2Deployer, data }))
  if (!(await client.getCode({ address }))) throw new Error('BatchExecutor is not where it should be')
  return address
}

/** Delegates the key's account to `to` with one type-4 transaction of its own (EIP-7702); zero address: undoes it. */
export async function delegate({ url, privateKey, to }: { url: string; privateKey: Hex; to: Address }) {
  const client = await localClient(url, privateKey)
  const authorization = await client.signAuthorization({ contractAddress: to, executor: 'self' })
  const hash = await client.sendTransaction({
    to: client.account.address,
    authorizationList: [authorization],
    gas: 100_000n,
  })
  await mined(url, hash)
}

async function deploy(
  { url, deployerKey }: Sender,
  abi: readonly unknown[],
  bytecode: Hex,
  args: unknown[] = [],
) {
  const client = await localClient(url, deployerKey)
  const hash = await client.deployContract({ abi, bytecode, args } as never)
  return { address: getAddress((await mined(url, hash)).contractAddress!) }
}

async function mined(url: string, hash: Hash) {
  type Receipt = { status: Hex; contractAddress: Address | null }
  // With a block time, setting the scene would take seconds.
  if (!(await rpc<boolean>(url, 'anvil_getAutomine'))) await rpc(url, 'evm_mine')
  for (let tries = 0; tries < 500; tries++) {
    const receipt = await rpc<Receipt | null>(url, 'eth_getTransactionReceipt', [hash])
    if (receipt?.status === '0x1') return receipt
    if (receipt) throw new Error(`transaction ${hash} reverted`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`transaction ${hash} was not mined`)
}

// Uniswap publishes Permit2's code inside the script that deploys it, with the chain id and the domain separator of
// the place it was built on; both are immutables, patched here as the constructor would have set them.
async function permit2Code(url: string): Promise<Hex> {
  const path = '@uniswap/v4-periphery/foundry-out/DeployPermit2.sol/DeployPermit2.json'
  const artifact = JSON.parse(await readFile(new URL(`../../node_modules/${path}`, import.meta.url), 'utf8'))
  const script = artifact.deployedBytecode.object as string
  const start = script.indexOf('6040608081526004908136')
  if (start < 0 || !script.includes(built.domain))
    throw new Error('@uniswap/v4-periphery holds another Permit2')
  const chainId = BigInt(await rpc<Hex>(url, 'eth_chainId'))
  const words = [permit2Type, keccak256(toHex('Permit2')), toHex(chainId, { size: 32 })] as const
  const domain = keccak256(concat([...words, pad(x402.permit2)]))
  const code = script.slice(start, start + 2 * 0x23c0)
  return `0x${code.replace(built.chainId, words[2].slice(2)).replace(built.domain, domain.slice(2))}`
}

// The creation code, run without being sent, answers the code of the contract.
async function multicall3Code(url: string): Promise<Hex> {
  const path = new URL('../../node_modules/viem/_esm/constants/contracts.js', import.meta.url)
  const { multicall3Bytecode } = (await import(path.href)) as { multicall3Bytecode: Hex }
  return rpc<Hex>(url, 'eth_call', [{ data: multicall3Bytecode }, 'latest'])
}

import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Address, Chain, Hash, Hex, LocalAccount, PublicActions, Transport, WalletClient } from 'viem'
import { createWalletClient, defineChain, getAddress, http, publicActions, toHex } from 'viem'
import { mnemonicToAccount, privateKeyToAccount, privateKeyToAddress } from 'viem/accounts'
import { testUsdc } from './test-usdc.generated.ts'

const mnemonic = 'test test test test test test test test test test test junk'

type LocalClient = WalletClient<Transport, Chain, LocalAccount> & PublicActions<Transport, Chain>
type ChainOptions = { port?: number; chainId?: number; blockTime?: number; slotsInAnEpoch?: number }
type Stop = () => Promise<void>
/** `blockTime` is in seconds (absent: one block for every transaction); `port` absent or 0: a free one. */
export type AnvilOptions = ChainOptions & { signal?: AbortSignal }
/** A key that anvil funds with 10,000 ETH: public knowledge, worthless on any other chain. */
export type DevKey = { address: Address; privateKey: Hex }
/** A running anvil and its ten keys; `stop` resolves once it has ended, and may be repeated. */
export type Localnet = { url: string; chainId: number; port: number; accounts: DevKey[]; stop: Stop }
type Deployer = { url: string; deployerKey: Hex }
type TokenOptions = Deployer & { name?: string; symbol?: string; version?: string; decimals?: number }
type MintOptions = Deployer & { token: Address; to: Address; amount: bigint }

/** Makes one JSON-RPC call and resolves to its `result`; throws an Error with the node's message. */
export async function rpc<T = unknown>(url: string, method: string, params: readonly unknown[] = []) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  const { result, error } = (await answer.json()) as { result: T; error?: { message: string } }
  if (error) throw new Error(`${method}: ${error.message}`)
  return result
}

/** Starts anvil on 127.0.0.1; throws when it is not installed, ends early or is not up within 10 seconds. */
export async function startAnvil(options: AnvilOptions = {}): Promise<Localnet> {
  const { chainId = 31337, signal, ...others } = options
  // Detached: Ctrl-C goes to a whole process group, and whoever uses the chain may still have to settle on it.
  const child = spawn(anvilBinary(), anvilArgs({ ...others, chainId }), { detached: true, signal })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const stop = () => {
    child.kill('SIGKILL')
    return ended
  }
  // However this process ends, the shell sees its end of the pipe close.
  const guard = spawn('sh', ['-c', 'read _; kill -9 "$0"', `${child.pid}`], { detached: true })
  guard.on('error', () => {})
  ended.then(() => guard.kill('SIGKILL'))
  const late = setTimeout(stop, 10_000)
  const url = await answeringUrl(child).finally(() => clearTimeout(late))
  return { url, chainId, port: Number(new URL(url).port), accounts: devAccounts(), stop }
}

/** Deploys the test USDC, its deployer being minter, pauser and blacklister; throws when the chain refuses. */
export async function deployUsdc({ url, deployerKey, ...token }: TokenOptions) {
  const { name = 'USD Coin', symbol = 'USDC', version = '2', decimals = 6 } = token
  const client = await localClient(url, deployerKey)
  const hash = await client.deployContract({ ...testUsdc, args: [name, symbol, version, decimals] })
  return { address: getAddress((await mined(client, hash)).contractAddress!) }
}

/** Mints `amount` atomic units (1 USDC = 1,000,000) to `to`; throws with the token's reason when it refuses. */
export async function mint({ url, deployerKey, token, to, amount }: MintOptions): Promise<void> {
  const client = await localClient(url, deployerKey)
  const call = { address: token, abi: testUsdc.abi, functionName: 'mint', args: [to, amount] } as const
  await mined(client, await client.writeContract(call))
}

/** A viem client (wallet and public actions) for one key on the chain at `url`, polling every 20 ms. */
export async function localClient(url: string, privateKey: Hex): Promise<LocalClient> {
  const id = Number(await rpc<Hex>(url, 'eth_chainId'))
  const nativeCurrency = { name: 'Ether', symbol: 'ETH', decimals: 18 }
  const rpcUrls = { default: { http: [url] } }
  const chain = defineChain({ id, name: `local ${id}`, nativeCurrency, rpcUrls })
  const account = privateKeyToAccount(privateKey)
  const wallet = createWalletClient({ account, chain, transport: http(url), pollingInterval: 20 })
  return wallet.extend(publicActions)
}

async function mined(client: LocalClient, hash: Hash) {
  const [url] = client.chain.rpcUrls.default.http
  // With a block time, setting the scene would take seconds.
  if (!(await rpc<boolean>(url!, 'anvil_getAutomine'))) await rpc(url!, 'evm_mine')
  const receipt = await client.waitForTransactionReceipt({ hash })
  if (receipt.status !== 'success') throw new Error(`transaction ${hash} reverted`)
  return receipt
}

function anvilBinary(): string {
  const platform = `${process.platform}-${process.arch.replace('x64', 'amd64')}`
  try {
    const wrapper = createRequire(import.meta.url).resolve('@foundry-rs/anvil/package.json')
    // Not the package's own bin: that is a Node wrapper, and killing it would leave anvil running.
    const packed = createRequire(wrapper).resolve(`@foundry-rs/anvil-${platform}/package.json`)
    return join(dirname(packed), 'bin', process.platform === 'win32' ? 'anvil.exe' : 'anvil')
  } catch {
    throw new Error(`anvil is not installed for ${platform}: npm i -D @foundry-rs/anvil`)
  }
}

// anvil picks the port itself (`--port 0`) and prints it: one found beforehand could be taken in between.
function anvilArgs({ port = 0, ...options }: ChainOptions): string[] {
  const given = Object.entries({ port, ...options, mnemonic, host: '127.0.0.1' })
  const dashed = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  return given.map(([name, value]) => `--${dashed(name)}=${value}`)
}

function answeringUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let printed = ''
    const read = (chunk: Buffer) => {
      printed += chunk
      const address = /Listening on (\S+:\d+)\s/.exec(printed)?.[1]
      if (!address) return
      // From now on only drained: a full pipe would stop anvil.
      child.stdout?.off('data', read).resume()
      resolve(rpc(`http://${address}`, 'eth_chainId').then(() => `http://${address}`))
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
    child.on('error', reject)
    child.on('close', () => reject(new Error(`anvil ended before it was up: ${printed.trim()}`)))
  })
}

function devAccounts(): DevKey[] {
  const parent = mnemonicToAccount(mnemonic, { path: "m/44'/60'/0'/0" }).getHdKey()
  return Array.from({ length: 10 }, (_, index) => {
    const privateKey = toHex(parent.deriveChild(index).privateKey!)
    return { address: privateKeyToAddress(privateKey), privateKey }
  })
}

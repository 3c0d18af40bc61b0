import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hex, LocalAccount } from 'viem'
import { encodeFunctionData, maxUint256, parseAbi } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import {
  type AnvilOptions,
  deployUsdc,
  type Localnet,
  mint,
  rpc,
  startAnvil,
} from '../../src/cli/demo/localnet.ts'
import { type Config, readConfig } from '../../src/config.ts'
import { quietLog } from '../../src/log.ts'
import { type Farebox, type Options, startFarebox } from '../../src/main.ts'
import { sharedRedis } from './redis.ts'
import { startUpstream, type Upstream } from './upstream.ts'
import { deployUsdt, mintUsdt, placeX402, x402 } from './x402-contracts.ts'

/** Of the operator that a test may name: `desk: { operators: [{ name: root, passwordEnv: FAREBOX_ADMIN_PASSWORD }] }`. */
export const ADMIN_PASSWORD = 'a password for tests'
export const PAY_TO = '0x1111111111111111111111111111111111111111'
const SECRET = 'a-quote-secret-that-is-long-enough-for-tests'

/** A whole small world: a chain with a token, a scripted provider, and Farebox between them. */
export type World = {
  net: Localnet
  token: `0x${string}`
  /** The test USDT; only where it was asked for. */
  usdt: `0x${string}`
  upstream: Upstream
  farebox: Farebox
  /** POST here. */
  chat: string
  dir: string
  config: Config
  /** A new account with this many units (default 10 USDC). */
  payer: (units?: bigint) => Promise<LocalAccount>
  /** A new account with this much of the test USDT (default 10). */
  usdtPayer: (units?: bigint) => Promise<LocalAccount>
  /** Sends a transaction as any account, which gets the coin for it; resolves when it is in a block. */
  act: (from: Hex, to: Hex, data: Hex) => Promise<void>
  /** Resolves when a transaction is in a block. */
  mined: (hash: Hex) => Promise<void>
  /** Lets Permit2 move a token of an account; default without limit. */
  approve: (account: LocalAccount, token?: Hex, amount?: bigint) => Promise<void>
  /** Units that an account holds; default of the test USDC. */
  balance: (of: Hex, token?: Hex) => Promise<bigint>
  rpc: <T = unknown>(method: string, params?: readonly unknown[]) => Promise<T>
  /** Runs ticks of the settler until nothing is pending. */
  settle: () => Promise<void>
  /** Closes Farebox and starts it again on the same ledger. */
  restart: (options?: Options) => Promise<void>
  close: () => Promise<void>
}

export type WorldOptions = {
  anvil?: AnvilOptions
  /** Default memory, or what TEST_STORE says: so that every test can be run over another twin. */
  store?: 'memory' | 'sqlite' | 'redis' | `redis://${string}`
  /** YAML lines that replace or add to top-level keys. */
  extra?: string
  /** More providers, as lines of the YAML list. */
  providers?: string
  options?: Options
  confirmations?: number
  /** Permit2 and the contracts of x402 are on the chain, and the USDC is paid by Permit2 too. */
  x402?: boolean
  /** The test USDT is taken beside the USDC; needs `x402`. */
  usdt?: boolean
  /** The settler's account is delegated to the batch executor at the start (EIP-7702), which takes nonces of its own. */
  delegate?: boolean
  /** Rate limits in YAML; without it there are none. */
  limits?: string
  /** More settings of `server`, in YAML. */
  server?: string
  /** What the chain's coin is said to be worth. */
  nativeUsd?: string
}

export const CHAIN_ID = 84532

/** Starts a world. The chain calls itself Base Sepolia, so that v1 clients have a name for it. */
export const startWorld = async (wanted: WorldOptions = {}): Promise<World> => {
  const net = await startAnvil({ chainId: CHAIN_ID, ...wanted.anvil })
  const deployer = net.accounts[0]!.privateKey
  const token = (await deployUsdc({ url: net.url, deployerKey: deployer })).address
  if (wanted.x402) await placeX402(net.url)
  const usdt = wanted.usdt ? (await deployUsdt({ url: net.url, deployerKey: deployer })).address : '0x'
  const upstream = await startUpstream()
  const dir = mkdtempSync(join(tmpdir(), 'farebox-test-'))
  const kind = wanted.store ?? process.env['TEST_STORE'] ?? 'memory'
  const redis = kind === 'redis' ? await sharedRedis() : undefined
  const store =
    redis?.url() ??
    (kind.startsWith('redis:') ? kind : undefined) ??
    (kind === 'sqlite' ? `sqlite:${join(dir, 'ledger.db')}` : 'memory:')
  const config = readConfig(yaml(net, assetsOf(token, usdt, wanted), upstream, store, wanted), {
    FAREBOX_QUOTE_SECRET: SECRET,
    FAREBOX_SETTLER_KEY: net.accounts[1]!.privateKey,
    FAREBOX_ADMIN_PASSWORD: ADMIN_PASSWORD,
  })
  if (wanted.x402 && !wanted.delegate) config.settler.delegate = 'never'
  const start = (options?: Options) => startFarebox(config, { log: quietLog, ...wanted.options, ...options })
  let farebox = await start()
  const world: World = {
    net,
    token,
    usdt,
    upstream,
    dir,
    config,
    get farebox() {
      return farebox
    },
    get chat() {
      return `${farebox.url}/v1/chat/completions`
    },
    payer: async (units = 10_000_000n) => {
      const account = privateKeyToAccount(generatePrivateKey())
      if (units > 0n)
        await mint({ url: net.url, deployerKey: deployer, token, to: account.address, amount: units })
      return account
    },
    usdtPayer: async (units = 10_000_000n) => {
      const account = privateKeyToAccount(generatePrivateKey())
      if (units > 0n)
        await mintUsdt({
          url: net.url,
          deployerKey: deployer,
          token: usdt,
          to: account.address,
          amount: units,
        })
      return account
    },
    act: async (from, to, data) => {
      await rpc(net.url, 'anvil_setBalance', [from, '0xde0b6b3a7640000'])
      await rpc(net.url, 'anvil_impersonateAccount', [from])
      const hash = await rpc<Hex>(net.url, 'eth_sendTransaction', [{ from, to, data, gas: '0x493e0' }])
      await rpc(net.url, 'anvil_stopImpersonatingAccount', [from])
      await world.mined(hash)
    },
    mined: async (hash) => {
      const receiptOf = () => rpc<{ status: Hex } | null>(net.url, 'eth_getTransactionReceipt', [hash])
      let receipt = await receiptOf()
      for (let i = 0; !receipt && i < 1_000; i++) {
        await new Promise((resolve) => setTimeout(resolve, 10))
        receipt = await receiptOf()
      }
      if (receipt?.status !== '0x1') throw new Error(`transaction ${hash} was not done`)
    },
    approve: (account, of = token, amount = maxUint256) =>
      world.act(
        account.address,
        of,
        encodeFunctionData({ abi: ERC20, functionName: 'approve', args: [x402.permit2, amount] }),
      ),
    balance: async (of, at = token) => {
      const data = encodeFunctionData({ abi: ERC20, functionName: 'balanceOf', args: [of] })
      return BigInt(await rpc<Hex>(net.url, 'eth_call', [{ to: at, data }, 'latest']))
    },
    rpc: (method, params) => rpc(net.url, method, params),
    settle: async () => {
      const settler = farebox.deps.settler(`eip155:${net.chainId}`)
      for (let i = 0; i < 100 && settler.pending() > 0; i++) {
        await settler.tick()
        if (settler.pending() > 0) await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    restart: async (options) => {
      await farebox.close(1000)
      farebox = await start(options)
    },
    close: async () => {
      await farebox.close(1000)
      await upstream.close()
      await net.stop()
      await redis?.stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
  return world
}

const ERC20 = parseAbi([
  'function approve(address spender, uint256 value)',
  'function balanceOf(address owner) view returns (uint256)',
])

const assetsOf = (token: string, usdt: string, wanted: WorldOptions): string => {
  const methods = wanted.x402 ? 'methods: [eip3009, permit2], eip2612: true' : 'methods: [eip3009]'
  const usdc = `{ symbol: USDC, address: "${token}", decimals: 6, name: USD Coin, version: "2", ${methods} }`
  const tether = `{ symbol: USDT, address: "${usdt}", decimals: 6, methods: [permit2] }`
  return wanted.usdt ? `[${usdc}, ${tether}]` : `[${usdc}]`
}

// Tests ask as fast as they can, all from one address.
const NO_LIMITS =
  '{ unpaid: { perAddress: false }, paid: { perAddress: false, perPayer: false }, signIn: { perAddress: false } }'

const yaml = (
  net: Localnet,
  assets: string,
  upstream: Upstream,
  store: string,
  wanted: WorldOptions,
): string => `
server: { port: 0${wanted.server === undefined ? '' : `, ${wanted.server}`} }
store: "${store}"
limits: ${wanted.limits ?? NO_LIMITS}
log: { level: silent }
chains:
  - id: eip155:${net.chainId}
    rpc: ["${net.url}"]
    payTo: "${PAY_TO}"
    confirmations: ${wanted.confirmations ?? 1}
    pollMs: 100${wanted.nativeUsd === undefined ? '' : `\n    nativeUsd: "${wanted.nativeUsd}"`}
    assets: ${assets}
providers:
  - { id: up, type: openai, baseUrl: "${upstream.url}", firstByteMs: 2000, idleMs: 2000 }
${wanted.providers ?? ''}
models:
  - { id: test/small, hosts: [{ provider: up, model: upstream-model }], inputPerMillion: "1", outputPerMillion: "2", context: 8000, maxOutput: 1000 }
  - { id: test/large, hosts: [{ provider: up, model: upstream-large }], inputPerMillion: "100", outputPerMillion: "200", context: 128000, maxOutput: 16000 }
${wanted.extra ?? ''}
`

/** A small valid request. */
export const hello = (more: Record<string, unknown> = {}) => ({
  model: 'test/small',
  messages: [{ role: 'user', content: 'Say hello.' }],
  max_tokens: 50,
  ...more,
})

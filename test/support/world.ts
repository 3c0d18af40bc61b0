import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LocalAccount } from 'viem'
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
import { startUpstream, type Upstream } from './upstream.ts'

export const PAY_TO = '0x1111111111111111111111111111111111111111'
const SECRET = 'a-quote-secret-that-is-long-enough-for-tests'

/** A whole small world: a chain with a token, a scripted provider, and Farebox between them. */
export type World = {
  net: Localnet
  token: `0x${string}`
  upstream: Upstream
  farebox: Farebox
  /** POST here. */
  chat: string
  dir: string
  config: Config
  /** A new account with this many units (default 10 USDC). */
  payer: (units?: bigint) => Promise<LocalAccount>
  rpc: <T = unknown>(method: string, params?: readonly unknown[]) => Promise<T>
  /** Runs ticks of the settler until nothing is pending. */
  settle: () => Promise<void>
  /** Closes Farebox and starts it again on the same ledger. */
  restart: (options?: Options) => Promise<void>
  close: () => Promise<void>
}

export type WorldOptions = {
  anvil?: AnvilOptions
  store?: 'memory' | 'sqlite'
  /** YAML lines that replace or add to top-level keys. */
  extra?: string
  options?: Options
  confirmations?: number
}

export const CHAIN_ID = 84532

/** Starts a world. The chain calls itself Base Sepolia, so that v1 clients have a name for it. */
export const startWorld = async (wanted: WorldOptions = {}): Promise<World> => {
  const net = await startAnvil({ chainId: CHAIN_ID, ...wanted.anvil })
  const deployer = net.accounts[0]!.privateKey
  const token = (await deployUsdc({ url: net.url, deployerKey: deployer })).address
  const upstream = await startUpstream()
  const dir = mkdtempSync(join(tmpdir(), 'farebox-test-'))
  const store = wanted.store === 'sqlite' ? `sqlite:${join(dir, 'ledger.db')}` : 'memory:'
  const config = readConfig(yaml(net, token, upstream, store, wanted), {
    FAREBOX_QUOTE_SECRET: SECRET,
    FAREBOX_SETTLER_KEY: net.accounts[1]!.privateKey,
  })
  const start = (options?: Options) => startFarebox(config, { log: quietLog, ...wanted.options, ...options })
  let farebox = await start()
  const world: World = {
    net,
    token,
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
      rmSync(dir, { recursive: true, force: true })
    },
  }
  return world
}

const yaml = (
  net: Localnet,
  token: string,
  upstream: Upstream,
  store: string,
  wanted: WorldOptions,
): string => `
server: { port: 0 }
store: "${store}"
log: { level: silent }
chains:
  - id: eip155:${net.chainId}
    rpc: ["${net.url}"]
    payTo: "${PAY_TO}"
    confirmations: ${wanted.confirmations ?? 1}
    pollMs: 100
    assets: [{ symbol: USDC, address: "${token}", decimals: 6, name: USD Coin, version: "2", methods: [eip3009] }]
providers:
  - { id: up, type: openai, baseUrl: "${upstream.url}", firstByteMs: 2000, idleMs: 2000 }
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

import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeFunctionData, type Hex, type LocalAccount, maxUint256, parseAbi } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { deployUsdc, type Localnet, rpc, startAnvil } from '../../src/cli/demo/localnet.ts'
import { type Clock, systemClock } from '../../src/clock.ts'
import { readConfig } from '../../src/config.ts'
import { isServing } from '../../src/ledger/call.ts'
import { quietLog } from '../../src/log.ts'
import { type Farebox, startFarebox } from '../../src/main.ts'
import { type RouterFiles, type RouterProcess, startRouter } from '../support/process.ts'
import { sharedRedis } from '../support/redis.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { CHAIN_ID } from '../support/world.ts'
import { placeX402, x402 } from '../support/x402-contracts.ts'

/** A chain with a token and every contract of x402; sites stand on it side by side. */
export type Ground = {
  net: Localnet
  token: Hex
  /** Runs one after the other what gives out nonces of the issuer. */
  inTurn: <T>(work: () => Promise<T>) => Promise<T>
  stop: () => Promise<void>
}

/** A till, a settler, a provider and a ledger of their own: what one case does, no other case sees. */
export type Site = {
  ground: Ground
  payTo: Hex
  settler: Hex
  upstream: Upstream
  files: RouterFiles
  clock: Clock
  /** Moves the time of routers in this process on. */
  forward: (ms: number) => void
  /** A new account with ten dollars, which Permit2 may move. */
  payer: () => Promise<LocalAccount>
  /** Gives units of the token. */
  give: (to: Hex, units: bigint) => Promise<void>
  /** Moves units from one account to another, as anybody can. */
  transfer: (from: Hex, to: Hex, units: bigint) => Promise<void>
  /** A router in a process of its own that dies at `point`; undefined when it died before it listened. */
  mortal: (point?: string) => Promise<RouterProcess | undefined>
  /** A router in this process. */
  router: () => Promise<Farebox>
  close: () => Promise<void>
}

const ERC20 = parseAbi([
  'function mint(address to, uint256 units)',
  'function transfer(address to, uint256 units)',
  'function approve(address spender, uint256 units)',
])

export const openGround = async (): Promise<Ground> => {
  const net = await startAnvil({ chainId: CHAIN_ID })
  const { address } = await deployUsdc({ url: net.url, deployerKey: net.accounts[0]!.privateKey })
  await placeX402(net.url)
  let turn: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const next = turn.then(work, work)
    turn = next.catch(() => {})
    return next
  }
  return { net, token: address.toLowerCase() as Hex, inTurn, stop: net.stop }
}

export const openSite = async (ground: Ground): Promise<Site> => {
  const { net, token } = ground
  const issuer = net.accounts[0]!.address
  const payTo: Hex = `0x${randomBytes(20).toString('hex')}`
  const settlerKey = generatePrivateKey()
  const settler = privateKeyToAccount(settlerKey).address
  await rpc(net.url, 'anvil_setBalance', [settler, '0x56bc75e2d63100000'])
  const upstream = await startUpstream()
  const dir = mkdtempSync(join(tmpdir(), 'farebox-campaign-'))
  const from = Number(await rpc<Hex>(net.url, 'eth_blockNumber'))
  const env = {
    FAREBOX_QUOTE_SECRET: 'a-quote-secret-that-is-long-enough-for-tests',
    FAREBOX_SETTLER_KEY: settlerKey,
    // Twice two processes for each case: they share what was compiled.
    NODE_COMPILE_CACHE: join(tmpdir(), 'farebox-campaign-cache'),
  }
  const files: RouterFiles = { config: join(dir, 'farebox.yaml'), db: join(dir, 'ledger.db'), env }
  // STORE=redis: the same deaths over the other store.
  const redis = process.env['STORE'] === 'redis' ? await sharedRedis() : undefined
  const store = redis?.url() ?? `sqlite:${files.db}`
  const text = yaml({ rpc: net.url, token, payTo, upstream: upstream.url, store, from })
  writeFileSync(files.config, text)
  let offset = 0
  const clock = { ...systemClock, now: () => Date.now() + offset }

  const send = async (by: Hex, data: Hex): Promise<void> => {
    const hash = await rpc(net.url, 'eth_sendTransaction', [{ from: by, to: token, data, gas: '0x493e0' }])
    for (let i = 0; i < 500; i++) {
      const receipt = await rpc<{ status: Hex } | null>(net.url, 'eth_getTransactionReceipt', [hash])
      if (receipt?.status === '0x1') return
      if (receipt) throw new Error('the token refused to set the scene')
      await after(10)
    }
    throw new Error('the scene was not set in time')
  }
  const as = async (account: Hex, data: Hex): Promise<void> => {
    await rpc(net.url, 'anvil_setBalance', [account, '0xde0b6b3a7640000'])
    await rpc(net.url, 'anvil_impersonateAccount', [account])
    await send(account, data)
  }
  const give: Site['give'] = (to, units) =>
    ground.inTurn(() =>
      send(issuer, encodeFunctionData({ abi: ERC20, functionName: 'mint', args: [to, units] })),
    )

  return {
    ground,
    payTo,
    settler,
    upstream,
    files,
    clock,
    forward: (ms) => {
      offset += ms
    },
    give,
    payer: async () => {
      const account = privateKeyToAccount(generatePrivateKey())
      await give(account.address, 10_000_000n)
      const approve = { abi: ERC20, functionName: 'approve', args: [x402.permit2, maxUint256] } as const
      await as(account.address, encodeFunctionData(approve))
      return account
    },
    transfer: (by, to, units) =>
      as(by, encodeFunctionData({ abi: ERC20, functionName: 'transfer', args: [to, units] })),
    mortal: (point) =>
      startRouter(files, point).catch((error: Error) => {
        if (point !== undefined && error.message.includes('(SIGKILL)')) return undefined
        throw error
      }),
    router: async () => {
      const router = await startFarebox(readConfig(text, env), { log: quietLog, clock })
      // Over Redis others might be alive: it is some seconds before it leads and ends what the dead one left.
      const isReady = async () =>
        router.leads() && !(await router.deps.ledger.open()).some((call) => isServing(call))
      for (let i = 0; redis && i < 600 && !(await isReady()); i++) await after(100)
      return router
    },
    close: async () => {
      await upstream.close()
      await redis?.stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** Resolves after so many milliseconds. */
export const after = (ms: number): Promise<string> =>
  new Promise((resolve) => setTimeout(() => resolve(`${ms} ms passed`), ms))

type Places = { rpc: string; token: Hex; payTo: Hex; upstream: string; store: string; from: number }

const yaml = ({ rpc: url, token, payTo, upstream, store, from }: Places): string => `
server: { port: 0 }
store: "${store}"
settler: { delegate: never, batch: { maxDelayMs: 500, max: 50 } }
chains:
  - id: eip155:${CHAIN_ID}
    rpc: ["${url}"]
    payTo: "${payTo}"
    confirmations: 1
    pollMs: 50
    assets: [{ symbol: USDC, address: "${token}", decimals: 6, name: USD Coin, version: "2", methods: [eip3009, permit2] }]
providers: [{ id: up, type: openai, baseUrl: "${upstream}" }]
models:
  - { id: test/small, hosts: [{ provider: up, model: upstream-model }], inputPerMillion: "1", outputPerMillion: "2" }
channels: { claimAbove: "0.000001", claimAfterSeconds: 1 }
payouts: { above: "0.0003", least: "0.0001" }
reconcile: { from: ${from}, overlapBlocks: 1 }
`

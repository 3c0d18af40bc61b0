import {
  concat,
  encodeFunctionData,
  type Hex,
  keccak256,
  type LocalAccount,
  maxUint256,
  pad,
  parseAbi,
  toHex,
} from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { deployUsdc, type Localnet, rpc, startAnvil } from '../../src/cli/demo/localnet.ts'
import { type Fleet, startFleet } from '../support/fleet.ts'
import { DURABLE, type RedisProcess, startRedis } from '../support/redis.ts'
import { startReplica } from '../support/redis-fleet.ts'
import { type RpcProxy, startRpcProxy } from '../support/rpc-proxy.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { CHAIN_ID } from '../support/world.ts'
import { placeX402, x402 } from '../support/x402-contracts.ts'
import { startTaggedUpstream, type TaggedUpstream } from './upstream.ts'

/** A fleet over one Redis with everything around it that can fail. */
export type FleetSite = {
  net: Localnet
  token: Hex
  settler: Hex
  /** Most unpaid service, units. */
  limit: bigint
  /** The block after which a run begins. */
  since: number
  upstream: TaggedUpstream
  fleet: Fleet
  /** Each instance's way to Redis, by its number. */
  proxies: readonly TcpProxy[]
  chain: RpcProxy
  redis: FleetRedis
  /** The store as who stands beside the fleet sees it. */
  store: () => string
  /** Lines that the instances logged as errors. */
  errors: () => readonly string[]
  close: () => Promise<void>
}

/** The one Redis of a fleet, which may be replaced by an old copy of itself. */
export type FleetRedis = {
  now: () => RedisProcess
  /** From now on the copy hears nothing. */
  makeStale: () => Promise<void>
  /** The copy is master from now on, and the old master is gone. */
  promote: () => Promise<void>
  stop: () => Promise<void>
}

export type SiteOptions = {
  instances?: number
  /** Most unpaid service, in USD. */
  exposure?: string
  /** A Redis that keeps a copy, which can be promoted. */
  replica?: boolean
  /** Seconds between blocks once the scene is set; absent: one block for each transaction. */
  blockTime?: number
  /** YAML of more settings. */
  extra?: string
}

const NO_LIMITS =
  'limits: { unpaid: { perAddress: false }, paid: { perAddress: false, perPayer: false }, signIn: { perAddress: false } }'
const NAME = 'campaign'
const EXPOSURE = '50'

/** USD of at most six decimals as units of a token that has six. */
const unitsOf = (usd: string): bigint => {
  const [whole = '0', part = ''] = usd.split('.')
  return BigInt(whole + part.padEnd(6, '0'))
}

/** Starts everything; `fund` before the chain's clock runs. */
export const openFleetSite = async (options: SiteOptions = {}): Promise<FleetSite> => {
  const ends: (() => Promise<unknown>)[] = []
  const close = async () => {
    for (const end of ends.splice(0).reverse()) await end().catch(() => {})
  }
  try {
    const net = await startAnvil({ chainId: CHAIN_ID })
    ends.push(net.stop)
    const deployerKey = net.accounts[0]!.privateKey
    const token = (await deployUsdc({ url: net.url, deployerKey })).address.toLowerCase() as Hex
    await placeX402(net.url)
    const upstream = await startTaggedUpstream()
    ends.push(upstream.close)
    const redis = await openRedis(options.replica ?? false)
    ends.push(redis.stop)
    const size = options.instances ?? 3
    const proxies = await Promise.all(Array.from({ length: size }, () => startTcpProxy(redis.now().port)))
    for (const proxy of proxies) ends.push(proxy.close)
    const chain = await startRpcProxy(net.url)
    ends.push(chain.close)
    const since = Number(await rpc<Hex>(net.url, 'eth_blockNumber'))
    const errors: string[] = []
    const settler = net.accounts[1]!
    const fleet = await startFleet({
      instances: size,
      store: (i) => `redis://127.0.0.1:${proxies[i]!.port}/0?name=${NAME}`,
      rpc: chain.url,
      chainId: CHAIN_ID,
      token,
      upstream: (i) => upstream.url(i),
      settlerKey: settler.privateKey,
      asset: 'methods: [eip3009, permit2]',
      env: { NODE_COMPILE_CACHE: '/tmp/farebox-campaign-cache' },
      extra: [
        NO_LIMITS,
        'settler: { delegate: never, batch: { maxDelayMs: 500, max: 50 } }',
        `exposure: { total: "${options.exposure ?? EXPOSURE}" }`,
        options.extra ?? '',
      ].join('\n'),
      heard: (i, text) => errors.push(...errorsIn(text).map((line) => `instance ${i}: ${line}`)),
    })
    ends.push(fleet.close)
    return {
      net,
      token,
      settler: settler.address,
      limit: unitsOf(options.exposure ?? EXPOSURE),
      since,
      upstream,
      fleet,
      proxies,
      chain,
      redis,
      store: () => `redis://127.0.0.1:${redis.now().port}/0?name=${NAME}`,
      errors: () => errors,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

const errorsIn = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => /"level":"?(error|50)"?/.test(line) || /Error:|\bat .*\.ts:\d+/.test(line))

const openRedis = async (replica: boolean): Promise<FleetRedis> => {
  let master = await startRedis({ args: DURABLE })
  let copy = replica ? await startReplica(master, { args: DURABLE }) : undefined
  return {
    now: () => master,
    makeStale: async () => void (await copy?.cli('REPLICAOF', 'NO', 'ONE')),
    promote: async () => {
      if (!copy) return
      const old = master
      master = copy
      copy = undefined
      await old.stop()
    },
    stop: async () => void (await Promise.all([master.stop(), copy?.stop()])),
  }
}

const ERC20 = parseAbi([
  'function balanceOf(address owner) view returns (uint256)',
  'function allowance(address owner, address spender) view returns (uint256)',
])

/** Units of each account, and which of them Permit2 may move. */
export type Funding = { units?: bigint; permit2?: (i: number) => boolean }

/** Makes accounts with so many units each, which Permit2 may move where it is said: written into the token's storage, so that thousands take a moment. */
export const fund = async (
  { net, token }: Pick<FleetSite, 'net' | 'token'>,
  count: number,
  { units = 10_000_000n, permit2 = () => false }: Funding = {},
): Promise<LocalAccount[]> => {
  const accounts = Array.from({ length: count }, () => privateKeyToAccount(generatePrivateKey()))
  const slots = await slotsOf(net.url, token)
  const writes = accounts.flatMap(({ address }, i) => [
    stored(token, slots.balance(address), units),
    ...(permit2(i) ? [stored(token, slots.allowance(address), maxUint256)] : []),
  ])
  await together(net.url, writes)
  // What is written belongs to the newest block, which may have been read already.
  await rpc(net.url, 'evm_mine')
  return accounts
}

const stored = (token: Hex, at: Hex, value: bigint) => ({
  method: 'anvil_setStorageAt',
  params: [token, at, toHex(value, { size: 32 })],
})

const cell = (key: Hex, inside: Hex): Hex => keccak256(concat([pad(key), inside]))
const MOST_SLOTS = 40

/** Where a token keeps balances, and what its holders allow Permit2: found by trying. */
const slotsOf = async (url: string, token: Hex) => {
  const nobody = privateKeyToAccount(generatePrivateKey()).address
  const ask = async (data: Hex) => BigInt(await rpc<Hex>(url, 'eth_call', [{ to: token, data }, 'latest']))
  const find = async (data: Hex, at: (slot: Hex) => Hex): Promise<Hex> => {
    for (let i = 0; i < MOST_SLOTS; i++) {
      const slot = toHex(i, { size: 32 })
      await together(url, [stored(token, at(slot), 7n)])
      if ((await ask(data)) === 7n) return slot
    }
    throw new Error('the token keeps its balances elsewhere')
  }
  const balance = (of: Hex) => (slot: Hex) => cell(of, slot)
  const allowance = (of: Hex) => (slot: Hex) => cell(x402.permit2, cell(of, slot))
  const balances = await find(
    encodeFunctionData({ abi: ERC20, functionName: 'balanceOf', args: [nobody] }),
    balance(nobody),
  )
  const allowances = await find(
    encodeFunctionData({ abi: ERC20, functionName: 'allowance', args: [nobody, x402.permit2] }),
    allowance(nobody),
  )
  return {
    balance: (of: Hex) => balance(of)(balances),
    allowance: (of: Hex) => allowance(of)(allowances),
  }
}

const together = async (url: string, calls: readonly { method: string; params: readonly unknown[] }[]) => {
  for (let at = 0; at < calls.length; at += 200) {
    const part = calls.slice(at, at + 200).map((call, id) => ({ jsonrpc: '2.0', id, ...call }))
    const headers = { 'content-type': 'application/json' }
    const reply = await fetch(url, { method: 'POST', headers, body: JSON.stringify(part) })
    const answers = (await reply.json()) as { error?: { message: string } }[]
    const bad = answers.find((one) => one.error)
    if (bad) throw new Error(`the scene was not set: ${bad.error!.message}`)
  }
}

/** From now on a block comes every so many seconds. */
export const startBlocks = async ({ net }: Pick<FleetSite, 'net'>, seconds: number): Promise<void> => {
  await rpc(net.url, 'evm_setAutomine', [false])
  await rpc(net.url, 'evm_setIntervalMining', [seconds])
}

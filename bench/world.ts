import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Asset, Hex } from '../src/assets.ts'
import { addressOf } from '../src/chain/signatures.ts'
import { left, uint } from '../src/chain/typed-data.ts'
import { deployUsdc, type Localnet, rpc, startAnvil } from '../src/cli/demo/localnet.ts'
import { placeX402, x402 } from '../test/support/x402-contracts.ts'
import { type ServerProcess, startServer } from './process.ts'
import type { TransferKey } from './servers/farebox.ts'
import type { Job, Shots } from './shoot.ts'

/** Who pays: a key and its address. */
export type Payer = { key: Uint8Array; address: Hex }

/** What every contestant shares: one chain, one token, one mock provider, one load generator. */
export type World = {
  net: Localnet
  asset: Asset
  dir: string
  upstream: ServerProcess
  /** Payments signed for Farebox that move money: as many transfers must be found; and 200s of the stock middleware. */
  tally: { paid: number; x402: number }
  /** Fires a job; throws unless every answer has the expected status. */
  fire: (job: Job, expected: number) => Promise<Shots>
  /** The same without expectations. */
  shoot: (job: Job) => Promise<Shots>
  /** Jobs for one origin go to others too, in turn. */
  spread: (origin: string, also: readonly string[]) => void
  /** New accounts with 10,000 USDC each; `approved`: Permit2 may move them. */
  payers: (count: number, approved?: 'approved') => Promise<Payer[]>
  /** Runs something on a chain with a block every so many seconds instead of one for every transaction. */
  withBlocks: <T>(seconds: number, run: () => Promise<T>) => Promise<T>
  /** Every transfer to an address, as the chain tells it. */
  transfersTo: (payTo: Hex) => Promise<TransferKey[]>
  close: () => Promise<void>
}

const CHAIN_ID = 31_337
const TRANSFER = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
const MINT = '0x40c10f19'
const APPROVE = '0x095ea7b3'
const BATCH = 100
const HEARTBEAT_MS = 500

/** Starts the world; everything in it runs beside the core that is measured. */
export const startWorld = async (): Promise<World> => {
  const net = await startAnvil({ chainId: CHAIN_ID })
  const deployer = net.accounts[0]!
  const token = await deployUsdc({ url: net.url, deployerKey: deployer.privateKey })
  const address = token.address.toLowerCase() as Hex
  await placeX402(net.url)
  const upstream = await startServer({ script: path('servers/upstream.ts'), core: 'beside' })
  const shooter = await startServer({ script: path('servers/shooter.ts'), core: 'beside' })
  const dir = mkdtempSync(join(tmpdir(), 'farebox-bench-'))
  let heart = heartbeat(net.url)
  const others = new Map<string, readonly string[]>()
  const shoot = (job: Job) =>
    shooter.ask<Shots>('shoot', { ...job, also: others.get(new URL(job.url).origin) ?? [] })

  return {
    net,
    asset: {
      chain: `eip155:${CHAIN_ID}`,
      address,
      symbol: 'USDC',
      decimals: 6,
      name: 'USD Coin',
      version: '2',
      methods: ['eip3009', 'permit2'],
    },
    dir,
    upstream,
    tally: { paid: 0, x402: 0 },
    shoot,
    spread: (origin, also) => void others.set(origin, also),
    fire: async (job, expected) => {
      const shots = await shoot(job)
      for (const [status, { count, sample }] of Object.entries(shots.answers)) {
        if (Number(status) !== expected)
          throw new Error(`${count} answers of ${status} from ${job.url}: ${sample}`)
      }
      return shots
    },
    payers: async (count, approved) => {
      const made = Array.from({ length: count }, () => randomBytes(32)).map((key) => ({
        key,
        address: addressOf(key),
      }))
      for (let i = 0; i < made.length; i += BATCH) {
        const some = made.slice(i, i + BATCH)
        await mint(net, deployer.address, address, some)
        if (approved) await approve(net, address, some)
      }
      return made
    },
    withBlocks: async (seconds, run) => {
      clearInterval(heart)
      await rpc(net.url, 'evm_setAutomine', [false])
      await rpc(net.url, 'evm_setIntervalMining', [seconds])
      try {
        return await run()
      } finally {
        await rpc(net.url, 'evm_setIntervalMining', [0])
        await rpc(net.url, 'evm_setAutomine', [true])
        heart = heartbeat(net.url)
      }
    },
    transfersTo: async (payTo) => {
      const word = `0x${payTo.slice(2).padStart(64, '0')}`
      const filter = { address, topics: [TRANSFER, null, word], fromBlock: '0x0', toBlock: 'latest' }
      const logs = await rpc<Log[]>(net.url, 'eth_getLogs', [filter])
      return logs.map(
        (log): TransferKey => `${log.transactionHash} ${Number(log.logIndex)} ${BigInt(log.data)}`,
      )
    },
    close: async () => {
      clearInterval(heart)
      await shooter.stop()
      await upstream.stop()
      await net.stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

// With one block for every transaction, what just missed a block would wait for the next transaction, and viem for the
// next block: on a chain that is never still neither happens.
const heartbeat = (url: string) => setInterval(() => void rpc(url, 'evm_mine').catch(() => {}), HEARTBEAT_MS)

type Log = { transactionHash: string; logIndex: Hex; data: Hex }

// The deployer is unlocked on anvil: one JSON-RPC batch funds many payers.
const mint = async (net: Localnet, from: Hex, to: Hex, payers: readonly Payer[]): Promise<void> => {
  const units = Buffer.from(uint(10_000_000_000n)).toString('hex')
  // anvil answers a batch out of order: without nonces of their own they would replace each other.
  const next = Number(await rpc<Hex>(net.url, 'eth_getTransactionCount', [from, 'pending']))
  const sends = payers.map(({ address }, i) => {
    const data = `${MINT}${Buffer.from(left(address)).toString('hex')}${units}`
    return { from, to, data, gas: '0x30000', nonce: `0x${(next + i).toString(16)}` }
  })
  await rpcBatch(
    net,
    'eth_sendTransaction',
    sends.map((send) => [send]),
  )
}

// Payers hold no coin of the chain and anvil does not know their keys: both are lent to them for this.
const approve = async (net: Localnet, to: Hex, payers: readonly Payer[]): Promise<void> => {
  const data = `${APPROVE}${x402.permit2.slice(2).toLowerCase().padStart(64, '0')}${'f'.repeat(64)}`
  await rpcBatch(
    net,
    'anvil_setBalance',
    payers.map(({ address }) => [address, '0xde0b6b3a7640000']),
  )
  await rpc(net.url, 'anvil_autoImpersonateAccount', [true])
  const sends = payers.map(({ address: from }) => [{ from, to, data, gas: '0x30000' }])
  await rpcBatch(net, 'eth_sendTransaction', sends)
  await rpc(net.url, 'anvil_autoImpersonateAccount', [false])
}

const rpcBatch = async (net: Localnet, method: string, calls: readonly unknown[][]): Promise<void> => {
  const batch = calls.map((params, id) => ({ jsonrpc: '2.0', id, method, params }))
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(net.url, { method: 'POST', headers, body: JSON.stringify(batch) })
  const failed = ((await answer.json()) as { error?: { message: string } }[]).find((one) => one.error)
  if (failed) throw new Error(`${method} failed: ${failed.error?.message}`)
}

export const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

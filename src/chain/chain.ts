import { decodeAbiParameters, encodeFunctionData, type Log, parseEventLogs, toEventSelector } from 'viem'
import { eip3009Abi } from '../../contracts-abi/eip3009.ts'
import { type Asset, type ChainId, chainNumber, type Hex } from '../assets.ts'
import { fail } from '../errors.ts'
import type { Fees } from './transaction.ts'
import { createRpc, type RpcCall, type RpcResult } from './rpc.ts'
import { separatorHex } from './typed-data.ts'

export type Head = { number: bigint; hash: Hex; timestamp: number; baseFee: bigint }

/** What the chain says about a payer right now; `units` it holds, whether the authorization is used, whether it has code. */
export type PayerFacts = { balance: bigint; used: boolean; isContract: boolean }

/** A Transfer of an accepted token. */
export type TransferLog = {
  hash: Hex
  block: bigint
  blockHash: Hex
  logIndex: number
  from: Hex
  to: Hex
  amount: bigint
}

export type Inclusion = { hash: Hex; block: bigint; blockHash: Hex; ok: boolean; gas: bigint; logs: TokenEvent[] }

export type TokenEvent =
  | { kind: 'transfer'; token: Hex; from: Hex; to: Hex; amount: bigint; logIndex: number }
  | { kind: 'used'; token: Hex; payer: Hex; nonce: Hex; logIndex: number }

export type Chain = {
  id: ChainId
  head: () => Promise<Head>
  /** The block the chain calls final, 0 where it has no such tag. */
  finalized: () => Promise<bigint>
  payer: (asset: Hex, payer: Hex, nonce: Hex) => Promise<PayerFacts>
  /** Fees that the next blocks should take, for a given head. */
  fees: (head: Head) => Fees
  /** Transactions of `account` that are in blocks; also the next nonce. */
  nonce: (account: Hex) => Promise<number>
  /** wei that `account` holds. */
  gasBalance: (account: Hex) => Promise<bigint>
  /** Sends signed transactions; a node that knows one already is content. Returns what it said of each: undefined when taken. */
  send: (raws: readonly Hex[]) => Promise<(string | undefined)[]>
  /** Where transactions are; undefined for those not in a block. */
  inclusions: (hashes: readonly Hex[]) => Promise<(Inclusion | undefined)[]>
  /** Canonical hashes of blocks; undefined for a block that does not exist. */
  blockHashes: (blocks: readonly bigint[]) => Promise<(Hex | undefined)[]>
  /** Token transfers to and from an address, in a range of blocks. */
  transfers: (asset: Hex, account: Hex, from: bigint, to: bigint) => Promise<TransferLog[]>
  /** The transaction that used an authorization, in a range of blocks; undefined when none did. */
  usedIn: (asset: Hex, payer: Hex, nonce: Hex, from: bigint, to: bigint) => Promise<Hex | undefined>
  /** Every authorization used in a range of blocks, by transaction. */
  usesIn: (asset: Hex, from: bigint, to: bigint) => Promise<{ hash: Hex; payer: Hex; nonce: Hex }[]>
  /** What is wrong with a configured asset; undefined when the contract says the same as the configuration. */
  checkAsset: (asset: Asset) => Promise<string | undefined>
  /** Throws when the node serves another chain. */
  checkId: () => Promise<void>
  close: () => Promise<void>
}

const TRANSFER = toEventSelector('Transfer(address,address,uint256)')
const USED = toEventSelector('AuthorizationUsed(address,bytes32)')
const MIN_TIP = 1_000_000n
/** Ranges of getLogs that public nodes still answer. */
const LOG_RANGE = 2_000n

/** Reads one chain over equal RPC URLs. Every method throws `chain_unavailable` when none answers. */
export const createChain = (id: ChainId, urls: readonly string[]): Chain => {
  const rpc = createRpc(urls)

  const logs = async (asset: Hex, topics: (Hex | null)[], from: bigint, to: bigint): Promise<TransferLogRaw[]> => {
    const found: TransferLogRaw[] = []
    for (let start = from; start <= to; start += LOG_RANGE) {
      const end = start + LOG_RANGE - 1n < to ? start + LOG_RANGE - 1n : to
      const filter = { address: asset, topics, fromBlock: quantity(start), toBlock: quantity(end) }
      found.push(...((await rpc.call('eth_getLogs', [filter])) as TransferLogRaw[]))
    }
    return found
  }

  return {
    id,
    head: async () => toHead(await rpc.call('eth_getBlockByNumber', ['latest', false])),
    finalized: async () => {
      const [block] = await rpc.batch([{ method: 'eth_getBlockByNumber', params: ['finalized', false] }])
      return block?.ok && block.value ? BigInt((block.value as RawBlock).number) : 0n
    },
    payer: async (asset, payer, nonce) => {
      const results = await rpc.batch([
        call(asset, encodeFunctionData({ abi: eip3009Abi, functionName: 'balanceOf', args: [payer] })),
        call(asset, encodeFunctionData({ abi: eip3009Abi, functionName: 'authorizationState', args: [payer, nonce] })),
        { method: 'eth_getCode', params: [payer, 'latest'] },
      ])
      const [balance, used, code] = results.map(value)
      return { balance: BigInt(balance!), used: BigInt(used!) !== 0n, isContract: code !== '0x' }
    },
    fees: ({ baseFee }) => ({ maxFee: baseFee * 2n + MIN_TIP, tip: MIN_TIP }),
    nonce: async (account) => Number(await rpc.call('eth_getTransactionCount', [account, 'latest'])),
    gasBalance: async (account) => BigInt((await rpc.call('eth_getBalance', [account, 'latest'])) as Hex),
    send: async (raws) => {
      if (raws.length === 0) return []
      const results = await rpc.batch(raws.map((raw) => ({ method: 'eth_sendRawTransaction', params: [raw] })))
      return results.map((result) => (result.ok || /already|known|imported/i.test(result.message) ? undefined : result.message))
    },
    inclusions: async (hashes) => {
      if (hashes.length === 0) return []
      const results = await rpc.batch(hashes.map((hash) => ({ method: 'eth_getTransactionReceipt', params: [hash] })))
      return results.map((result) => (value(result) ? toInclusion(value(result) as unknown as RawReceipt) : undefined))
    },
    blockHashes: async (blocks) => {
      if (blocks.length === 0) return []
      const results = await rpc.batch(
        blocks.map((block) => ({ method: 'eth_getBlockByNumber', params: [quantity(block), false] })),
      )
      return results.map((result) => (value(result) as unknown as RawBlock | null)?.hash)
    },
    transfers: async (asset, account, from, to) => {
      const word = topic(account)
      const [incoming, outgoing] = await Promise.all([
        logs(asset, [TRANSFER, null, word], from, to),
        logs(asset, [TRANSFER, word], from, to),
      ])
      const all = new Map([...incoming, ...outgoing].map((log) => [`${log.transactionHash} ${log.logIndex}`, log]))
      return [...all.values()].map(toTransfer)
    },
    usedIn: async (asset, payer, nonce, from, to) =>
      (await logs(asset, [USED, topic(payer), nonce], from, to))[0]?.transactionHash,
    usesIn: async (asset, from, to) =>
      (await logs(asset, [USED], from, to)).map((log) => ({
        hash: log.transactionHash,
        payer: fromTopic(log.topics[1]!),
        nonce: log.topics[2]!,
      })),
    checkAsset: async (asset) => {
      const [decimals, separator] = await rpc.batch([
        call(asset.address, encodeFunctionData({ abi: eip3009Abi, functionName: 'decimals' })),
        call(asset.address, encodeFunctionData({ abi: eip3009Abi, functionName: 'DOMAIN_SEPARATOR' })),
      ])
      if (!decimals?.ok || decimals.value === '0x') return 'there is no token at this address'
      if (Number(decimals.value) !== asset.decimals) return `the token has ${Number(decimals.value)} decimals`
      if (!separator?.ok || separator.value === '0x') return 'the token has no EIP-712 domain separator'
      const matches = (separator.value as string).toLowerCase() === separatorHex(asset)
      return matches ? undefined : 'the EIP-712 domain differs: check name and version'
    },
    checkId: async () => {
      const told = Number(await rpc.call('eth_chainId', []))
      if (told !== chainNumber(id)) throw new Error(`the node at ${urls[0]} serves eip155:${told}, not ${id}`)
    },
    close: rpc.close,
  }
}

type RawBlock = { number: Hex; hash: Hex; timestamp: Hex; baseFeePerGas?: Hex }
type TransferLogRaw = {
  transactionHash: Hex
  blockNumber: Hex
  blockHash: Hex
  logIndex: Hex
  data: Hex
  topics: Hex[]
}
type RawReceipt = {
  transactionHash: Hex
  blockNumber: Hex
  blockHash: Hex
  status: Hex
  gasUsed: Hex
  effectiveGasPrice?: Hex
  l1Fee?: Hex
  logs: Log[]
}

const call = (to: Hex, data: Hex): RpcCall => ({ method: 'eth_call', params: [{ to, data }, 'latest'] })

const value = (result: RpcResult | undefined): string | null => {
  if (!result?.ok) throw fail('chain_unavailable', { why: result?.message })
  return result.value as string | null
}

const toHead = (raw: unknown): Head => {
  const block = raw as RawBlock | null
  if (!block) throw fail('chain_unavailable')
  return {
    number: BigInt(block.number),
    hash: block.hash,
    timestamp: Number(block.timestamp),
    baseFee: BigInt(block.baseFeePerGas ?? 0),
  }
}

const toTransfer = (log: TransferLogRaw): TransferLog => ({
  hash: log.transactionHash,
  block: BigInt(log.blockNumber),
  blockHash: log.blockHash,
  logIndex: Number(log.logIndex),
  from: fromTopic(log.topics[1]!),
  to: fromTopic(log.topics[2]!),
  amount: decodeAbiParameters([{ type: 'uint256' }], log.data)[0],
})

const toInclusion = (raw: RawReceipt): Inclusion => ({
  hash: raw.transactionHash,
  block: BigInt(raw.blockNumber),
  blockHash: raw.blockHash,
  ok: raw.status === '0x1',
  gas: BigInt(raw.gasUsed) * BigInt(raw.effectiveGasPrice ?? 0) + BigInt(raw.l1Fee ?? 0),
  logs: parseEventLogs({ abi: eip3009Abi, logs: raw.logs, eventName: ['Transfer', 'AuthorizationUsed'] }).map(
    (log): TokenEvent => {
      const at = { token: lower(log.address), logIndex: Number(log.logIndex) }
      return log.eventName === 'Transfer'
        ? { ...at, kind: 'transfer', from: lower(log.args.from), to: lower(log.args.to), amount: log.args.value }
        : { ...at, kind: 'used', payer: lower(log.args.authorizer), nonce: lower(log.args.nonce) }
    },
  ),
})

const lower = (hex: Hex): Hex => hex.toLowerCase() as Hex
const quantity = (block: bigint): Hex => `0x${block.toString(16)}`
const topic = (address: Hex): Hex => `0x${address.slice(2).padStart(64, '0')}`
const fromTopic = (word: Hex): Hex => `0x${word.slice(26)}`

import { encodeFunctionData } from 'viem'
import { eip3009Abi } from '../../contracts-abi/eip3009.ts'
import { type Asset, type ChainId, chainNumber, type Hex } from '../assets.ts'
import { fail } from '../errors.ts'
import {
  blockOf,
  fromTopic,
  type Head,
  type Inclusion,
  numberOf,
  TRANSFER,
  type TransferLog,
  toHead,
  toInclusion,
  toTransfer,
  USED,
  value,
} from './answers.ts'
import { createLogReader, quantity } from './logs.ts'
import { createRpc, type RpcCall } from './rpc.ts'
import type { Fees } from './transaction.ts'
import { separatorHex } from './typed-data.ts'

export type { Head, Inclusion, TokenEvent, TransferLog } from './answers.ts'

/** What the chain says about a payer right now; `units` it holds, whether the authorization is used, whether it has code. */
export type PayerFacts = { balance: bigint; used: boolean; isContract: boolean }

export type Chain = {
  id: ChainId
  head: () => Promise<Head>
  /** The block the chain calls final, 0 where it has no such tag. */
  finalized: () => Promise<bigint>
  payer: (asset: Hex, payer: Hex, nonce: Hex) => Promise<PayerFacts>
  /** Whether a call would revert in the next block; false when the node cannot tell. */
  reverts: (to: Hex, data: Hex) => Promise<boolean>
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
  /**
   * The transaction that used an authorization, in block `to` or before it, back to unix second `since`; undefined when
   * none did. A node that has not seen block `to` is not believed: `chain_unavailable`.
   */
  usedIn: (asset: Hex, payer: Hex, nonce: Hex, since: number, to: bigint) => Promise<Hex | undefined>
  /** Every authorization used in a range of blocks, by transaction. */
  usesIn: (asset: Hex, from: bigint, to: bigint) => Promise<{ hash: Hex; payer: Hex; nonce: Hex }[]>
  /** What is wrong with a configured asset; undefined when the contract says the same as the configuration. */
  checkAsset: (asset: Asset) => Promise<string | undefined>
  /** Throws when a node serves another chain, and `chain_unavailable` when none answers. */
  checkId: () => Promise<void>
  close: () => Promise<void>
}

const MIN_TIP = 1_000_000n
const LATEST: RpcCall = { method: 'eth_getBlockByNumber', params: ['latest', false] }
const FINALIZED: RpcCall = { method: 'eth_getBlockByNumber', params: ['finalized', false] }

/** Reads one chain over equal RPC URLs. Every method throws `chain_unavailable` when none answers. */
export const createChain = (id: ChainId, urls: readonly string[]): Chain => {
  const rpc = createRpc(urls, chainNumber(id))
  const logs = createLogReader(rpc)

  return {
    id,
    head: async () => {
      const [block, tip] = await rpc.batch([LATEST, { method: 'eth_maxPriorityFeePerGas', params: [] }])
      return toHead(blockOf(block), tip?.ok ? numberOf(tip) : 0n)
    },
    finalized: async () => {
      const [block] = await rpc.batch([FINALIZED])
      return block?.ok ? BigInt(blockOf(block)?.number ?? 0) : 0n
    },
    payer: async (asset, payer, nonce) => {
      const [balance, used, code] = await rpc.batch([
        read(asset, encodeFunctionData({ abi: eip3009Abi, functionName: 'balanceOf', args: [payer] })),
        read(
          asset,
          encodeFunctionData({ abi: eip3009Abi, functionName: 'authorizationState', args: [payer, nonce] }),
        ),
        { method: 'eth_getCode', params: [payer, 'latest'] },
      ])
      return { balance: numberOf(balance), used: numberOf(used) !== 0n, isContract: value(code) !== '0x' }
    },
    reverts: async (to, data) => {
      const [result] = await rpc.batch([{ method: 'eth_call', params: [{ to, data }, 'pending'] }])
      return result?.ok === false && /revert/i.test(result.message)
    },
    fees: ({ baseFee, tip: suggested }) => {
      const tip = suggested > MIN_TIP ? suggested : MIN_TIP
      return { maxFee: baseFee * 2n + tip, tip }
    },
    nonce: async (account) => Number(await rpc.call('eth_getTransactionCount', [account, 'latest'])),
    gasBalance: async (account) => BigInt((await rpc.call('eth_getBalance', [account, 'latest'])) as Hex),
    send: async (raws) => {
      if (raws.length === 0) return []
      const results = await rpc.batch(
        raws.map((raw) => ({ method: 'eth_sendRawTransaction', params: [raw] })),
      )
      return results.map((result) => (result.ok || KNOWN.test(result.message) ? undefined : result.message))
    },
    inclusions: async (hashes) => {
      if (hashes.length === 0) return []
      const results = await rpc.batch(
        hashes.map((hash) => ({ method: 'eth_getTransactionReceipt', params: [hash] })),
      )
      return results.map(toInclusion)
    },
    blockHashes: async (blocks) => {
      if (blocks.length === 0) return []
      const results = await rpc.batch(
        blocks.map((block) => ({ method: 'eth_getBlockByNumber', params: [quantity(block), false] })),
      )
      return results.map((result) => blockOf(result)?.hash)
    },
    transfers: async (asset, account, from, to) => {
      const [incoming, outgoing] = await Promise.all([
        logs.all({ address: asset, topics: [TRANSFER, null, topic(account)] }, from, to),
        logs.all({ address: asset, topics: [TRANSFER, topic(account)] }, from, to),
      ])
      const all = new Map(
        [...incoming, ...outgoing].map((log) => [`${log.transactionHash} ${log.logIndex}`, log]),
      )
      return [...all.values()].map(toTransfer)
    },
    usedIn: async (asset, payer, nonce, since, to) =>
      (await logs.newest({ address: asset, topics: [USED, topic(payer), nonce] }, since, to))
        ?.transactionHash,
    usesIn: async (asset, from, to) =>
      (await logs.all({ address: asset, topics: [USED] }, from, to)).map((log) => ({
        hash: log.transactionHash,
        payer: fromTopic(log.topics[1]!),
        nonce: log.topics[2]!,
      })),
    checkAsset: async (asset) => {
      const [decimals, separator] = await rpc.batch([
        read(asset.address, encodeFunctionData({ abi: eip3009Abi, functionName: 'decimals' })),
        read(asset.address, encodeFunctionData({ abi: eip3009Abi, functionName: 'DOMAIN_SEPARATOR' })),
      ])
      if (!decimals?.ok || decimals.value === '0x') return 'there is no token at this address'
      if (Number(decimals.value) !== asset.decimals) return `the token has ${Number(decimals.value)} decimals`
      if (!separator?.ok || separator.value === '0x') return 'the token has no EIP-712 domain separator'
      const matches = (separator.value as string).toLowerCase() === separatorHex(asset)
      return matches ? undefined : 'the EIP-712 domain differs: check name and version'
    },
    checkId: async () => {
      const told = await Promise.all(urls.map(chainServedAt))
      for (const [i, number] of told.entries()) {
        if (number === undefined || number === chainNumber(id)) continue
        throw new Error(`the node at ${new URL(urls[i]!).host} serves eip155:${number}, not ${id}`)
      }
      if (told.every((number) => number === undefined)) throw fail('chain_unavailable')
    },
    close: rpc.close,
  }
}

/** What nodes say of a transaction that they have. */
const KNOWN = /already|\bknown/i

// One at a time and unchecked: a wrong node must be named, not passed over as unreachable.
const chainServedAt = async (url: string): Promise<number | undefined> => {
  const rpc = createRpc([url])
  try {
    return Number(await rpc.call('eth_chainId', []))
  } catch {
    return undefined
  } finally {
    await rpc.close()
  }
}

const read = (to: Hex, data: Hex): RpcCall => ({ method: 'eth_call', params: [{ to, data }, 'latest'] })

const topic = (address: Hex): Hex => `0x${address.slice(2).padStart(64, '0')}`

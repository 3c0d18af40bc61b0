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
import { checkAsset } from './check-asset.ts'
import { delegateOf } from './delegate.ts'
import { createHistory, type History } from './history.ts'
import { createLogReader, quantity } from './logs.ts'
import { asking, createPayerReads, type How, type PayerReads } from './payer.ts'
import {
  balanceRead,
  type ChannelState,
  type Code,
  channelReads,
  codeRead,
  estimateRead,
  isRefusal,
  permitNonceRead,
  receiverRead,
  signatureRead,
  toChannelStates,
  toCode,
  toReceived,
  toValidity,
} from './reads.ts'
import { reasonOfRevert } from './revert.ts'
import { createRpc, type RpcCall } from './rpc.ts'
import { chainServedAt } from './served.ts'
import type { Fees } from './transaction.ts'

export type { Head, Inclusion, TokenEvent, TransferLog } from './answers.ts'
export type { How, PayerFacts, Used } from './payer.ts'
export type { ChannelState, Code } from './reads.ts'

export type Chain = PayerReads & {
  id: ChainId
  head: () => Promise<Head>
  /** The block the chain calls final, 0 where it has no such tag. */
  finalized: () => Promise<bigint>
  code: (account: Hex) => Promise<Code>
  /** Whose code an account runs by EIP-7702; undefined when it does not. */
  delegate: (account: Hex) => Promise<Hex | undefined>
  /** Whether a contract says that a signature over `digest` is its own (ERC-1271). */
  isSignedBy: (wallet: Hex, digest: Hex, signature: Hex) => Promise<boolean>
  /** Channels in one request, as they stood in block `at`, or in the newest one. */
  channels: (ids: readonly Hex[], at?: bigint) => Promise<ChannelState[]>
  /** Units that a receiver's channels have given it: claimed, and paid out of them. */
  received: (receiver: Hex, token: Hex) => Promise<{ totalClaimed: bigint; totalSettled: bigint }>
  /** Units of a token that an account holds. */
  balance: (token: Hex, account: Hex) => Promise<bigint>
  /** Whether a call would revert in the next block; false when the node cannot tell. */
  reverts: (to: Hex, data: Hex, from?: Hex) => Promise<boolean>
  /** The same with the reason, in a few words: undefined when it would not revert. */
  whyReverts: (to: Hex, data: Hex, from?: Hex) => Promise<string | undefined>
  /** Gas that a transaction would use; undefined when it would revert. */
  estimate: (from: Hex, to: Hex, data: Hex) => Promise<bigint | undefined>
  /** The next EIP-2612 nonce of an account. */
  permitNonce: (token: Hex, owner: Hex) => Promise<bigint>
  /** Fees that the next blocks should take, for a given head. */
  fees: (head: Head) => Fees
  /** Transactions of `account` that are in blocks; also the next nonce. */
  nonce: (account: Hex) => Promise<number>
  /** wei that `account` holds. */
  gasBalance: (account: Hex) => Promise<bigint>
  /** Sends signed transactions; a node that knows one already is content. Returns what it said of each: undefined when taken. */
  send: (raws: readonly Hex[]) => Promise<(string | undefined)[]>
  /** Where transactions are; undefined for those not in a block. */
  inclusions: (hashes: readonly Hex[], how?: How) => Promise<(Inclusion | undefined)[]>
  /** Canonical hashes of blocks; undefined for a block that does not exist. */
  blockHashes: (blocks: readonly bigint[], how?: How) => Promise<(Hex | undefined)[]>
  /** Token transfers to and from an address, in a range of blocks. */
  transfers: (asset: Hex, account: Hex, from: bigint, to: bigint) => Promise<TransferLog[]>
  /**
   * The transaction that used an authorization, in block `to` or before it, back to unix second `since`; undefined when
   * none did. A node that has not seen block `to` is not believed: `chain_unavailable`.
   */
  usedIn: (asset: Hex, payer: Hex, nonce: Hex, since: number, to: bigint) => Promise<Hex | undefined>
  /** Transactions that moved exactly `amount` from one account to another, in block `to` or before it, back to unix second `since`, newest first. */
  movedIn: (
    move: { token: Hex; from: Hex; to: Hex; amount: bigint },
    since: number,
    to: bigint,
  ) => Promise<Hex[]>
  /** Every authorization used in a range of blocks, by transaction. */
  usesIn: (asset: Hex, from: bigint, to: bigint) => Promise<{ hash: Hex; payer: Hex; nonce: Hex }[]>
  /** What only a comparison of books asks: transactions, channels and times of old blocks. */
  history: History
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
export const createChain = (id: ChainId, urls: readonly string[], failed?: (url: string) => void): Chain => {
  const rpc = createRpc(urls, chainNumber(id), undefined, failed)
  const logs = createLogReader(rpc)
  const whyReverts: Chain['whyReverts'] = async (to, data, from) => {
    const call = from === undefined ? { to, data } : { from, to, data }
    const [result] = await rpc.batch([{ method: 'eth_call', params: [call, 'pending'] }])
    if (result?.ok !== false || !/revert/i.test(result.message)) return undefined
    return reasonOfRevert(result.data) ?? 'reverted'
  }

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
    ...createPayerReads(rpc),
    code: async (account) => toCode((await rpc.batch([codeRead(account)]))[0]),
    delegate: async (account) => delegateOf(String(value((await rpc.batch([codeRead(account)]))[0]))),
    isSignedBy: async (wallet, digest, signature) =>
      toValidity((await rpc.batch([signatureRead(wallet, digest, signature)]))[0]),
    channels: async (ids, at) => {
      const reads = ids.flatMap((id) => channelReads(id, at === undefined ? 'latest' : quantity(at)))
      return toChannelStates(reads.length === 0 ? [] : await rpc.batch(reads))
    },
    received: async (receiver, token) => toReceived((await rpc.batch([receiverRead(receiver, token)]))[0]),
    balance: async (token, account) => numberOf((await rpc.batch([balanceRead(token, account)]))[0]),
    reverts: async (to, data, from) => (await whyReverts(to, data, from)) !== undefined,
    whyReverts,
    estimate: async (from, to, data) => {
      const [result] = await rpc.batch([estimateRead({ from, to, data })])
      return isRefusal(result) ? undefined : numberOf(result)
    },
    permitNonce: async (token, owner) => numberOf((await rpc.batch([permitNonceRead(token, owner)]))[0]),
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
    inclusions: async (hashes, how) => {
      if (hashes.length === 0) return []
      const calls = hashes.map((hash) => ({ method: 'eth_getTransactionReceipt', params: [hash] }))
      const results = await asking(rpc, how)(calls)
      return results.map(toInclusion)
    },
    blockHashes: async (blocks, how) => {
      if (blocks.length === 0) return []
      const calls = blocks.map((block) => ({
        method: 'eth_getBlockByNumber',
        params: [quantity(block), false],
      }))
      const results = await asking(rpc, how)(calls)
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
    movedIn: async ({ token, from, to, amount }, since, last) => {
      const found = await logs.since(
        { address: token, topics: [TRANSFER, topic(from), topic(to)] },
        since,
        last,
      )
      return found.filter((log) => BigInt(log.data) === amount).map((log) => log.transactionHash)
    },
    usesIn: async (asset, from, to) =>
      (await logs.all({ address: asset, topics: [USED] }, from, to)).map((log) => ({
        hash: log.transactionHash,
        payer: fromTopic(log.topics[1]!),
        nonce: log.topics[2]!,
      })),
    history: createHistory(rpc, logs),
    checkAsset: (asset) => checkAsset(rpc.batch, asset),
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

const topic = (address: Hex): Hex => `0x${address.slice(2).padStart(64, '0')}`

import { decodeAbiParameters, encodeEventTopics } from 'viem'
import { batchSettlementAbi } from '../../contracts-abi/batch-settlement.ts'
import type { Hex } from '../assets.ts'
import { fail } from '../errors.ts'
import { BATCH_SETTLEMENT, type ChannelConfig } from '../wire/contracts.ts'
import { blockOf, numberOf, type RawLog, value } from './answers.ts'
import { type LogReader, quantity } from './logs.ts'
import type { Rpc } from './rpc.ts'

/** A transaction as it was sent. */
export type SentTx = { hash: Hex; from: Hex; to: Hex | undefined; nonce: number; input: Hex; block: bigint }

/** Something that the settlement contract did to a channel; `amount` in token units, for a claim the new total. */
export type ChannelEvent = {
  kind: 'created' | 'deposit' | 'claim' | 'refund' | 'withdrawal'
  channel: Hex
  amount: bigint
  /** What makes the channel; told when it is created only. */
  config: ChannelConfig | undefined
  hash: Hex
  block: bigint
  blockHash: Hex
  logIndex: number
}

/** Looks into the past of a chain. Every method throws `chain_unavailable` when no node can tell. */
export type History = {
  /** Transactions by hash; undefined for those that no block has. */
  sent: (hashes: readonly Hex[]) => Promise<(SentTx | undefined)[]>
  /** What happened to any channel in a range of blocks, in order. */
  channelEvents: (from: bigint, to: bigint) => Promise<ChannelEvent[]>
  /** Unix seconds of blocks. */
  times: (blocks: readonly bigint[]) => Promise<number[]>
  /** The first block at unix second `time` or after it, of blocks 0 to `head`; `head + 1` when there is none. */
  blockAt: (time: number, head: bigint) => Promise<bigint>
  /** Transactions that an account had in blocks, up to and with `block`: needs a node that keeps old states. */
  nonceAt: (account: Hex, block: bigint) => Promise<number>
  /** Units of a token, or wei, that an account held after `block`: needs a node that keeps old states. */
  gasBalanceAt: (account: Hex, block: bigint) => Promise<bigint>
  /** The transaction of `account` with a nonce, in blocks `from` to `to`; undefined when it is in none of them. */
  sentBy: (account: Hex, nonce: number, from: bigint, to: bigint) => Promise<SentTx | undefined>
}

const MAX_BATCH = 100

export const createHistory = (rpc: Rpc, logs: LogReader): History => {
  const times = async (blocks: readonly bigint[]): Promise<number[]> => {
    const found: number[] = []
    for (let i = 0; i < blocks.length; i += MAX_BATCH) {
      const some = blocks.slice(i, i + MAX_BATCH)
      const results = await rpc.batch(
        some.map((block) => ({ method: 'eth_getBlockByNumber', params: [quantity(block), false] })),
      )
      for (const result of results) {
        const block = blockOf(result)
        if (!block) throw fail('chain_unavailable', { why: 'the node lacks a block' })
        found.push(Number(block.timestamp))
      }
    }
    return found
  }
  const nonceAt = async (account: Hex, block: bigint): Promise<number> =>
    Number(
      numberOf(
        (await rpc.batch([{ method: 'eth_getTransactionCount', params: [account, quantity(block)] }]))[0],
      ),
    )

  return {
    times,
    nonceAt,
    sent: async (hashes) => {
      const found: (SentTx | undefined)[] = []
      for (let i = 0; i < hashes.length; i += MAX_BATCH) {
        const some = hashes.slice(i, i + MAX_BATCH)
        const results = await rpc.batch(
          some.map((hash) => ({ method: 'eth_getTransactionByHash', params: [hash] })),
        )
        for (const result of results) found.push(toSent(value(result) as RawTx | null))
      }
      return found
    },
    channelEvents: async (from, to) => {
      const topics = [[...KINDS.keys()]]
      return (await logs.all({ address: BATCH_SETTLEMENT, topics }, from, to)).map(toChannelEvent)
    },
    blockAt: async (time, head) =>
      first(0n, head + 1n, async (block) => ((await times([block]))[0] ?? 0) >= time),
    gasBalanceAt: async (account, block) =>
      numberOf((await rpc.batch([{ method: 'eth_getBalance', params: [account, quantity(block)] }]))[0]),
    sentBy: async (account, nonce, from, to) => {
      const block = await first(from, to + 1n, async (at) => (await nonceAt(account, at)) > nonce)
      if (block > to) return undefined
      const whole = (await rpc.call('eth_getBlockByNumber', [quantity(block), true])) as {
        transactions?: RawTx[]
      } | null
      const raw = whole?.transactions?.find(
        (one) => one.from.toLowerCase() === account && Number(one.nonce) === nonce,
      )
      return toSent(raw ?? null)
    },
  }
}

/** The first number of [from, to) that passes a test which, once passed, all later ones pass; `to` when none does. */
const first = async (from: bigint, to: bigint, passes: (n: bigint) => Promise<boolean>): Promise<bigint> => {
  let [low, high] = [from, to]
  while (low < high) {
    const middle = (low + high) / 2n
    if (await passes(middle)) high = middle
    else low = middle + 1n
  }
  return low
}

type RawTx = { hash: Hex; from: Hex; to: Hex | null; nonce: Hex; input: Hex; blockNumber: Hex | null }

const toSent = (raw: RawTx | null): SentTx | undefined => {
  if (!raw?.blockNumber) return undefined
  const { hash, input } = raw
  const [from, to] = [lower(raw.from), raw.to ? lower(raw.to) : undefined]
  return { hash, from, to, nonce: Number(raw.nonce), input, block: BigInt(raw.blockNumber) }
}

const topicOf = (
  eventName: 'ChannelCreated' | 'Deposited' | 'Claimed' | 'Refunded' | 'WithdrawFinalized',
): Hex => encodeEventTopics({ abi: batchSettlementAbi, eventName })[0] as Hex

const KINDS = new Map<Hex, ChannelEvent['kind']>([
  [topicOf('ChannelCreated'), 'created'],
  [topicOf('Deposited'), 'deposit'],
  [topicOf('Claimed'), 'claim'],
  [topicOf('Refunded'), 'refund'],
  [topicOf('WithdrawFinalized'), 'withdrawal'],
])

const WORD = { type: 'uint256' } as const
const CONFIG = [
  {
    type: 'tuple',
    components: [
      { name: 'payer', type: 'address' },
      { name: 'payerAuthorizer', type: 'address' },
      { name: 'receiver', type: 'address' },
      { name: 'receiverAuthorizer', type: 'address' },
      { name: 'token', type: 'address' },
      { name: 'withdrawDelay', type: 'uint40' },
      { name: 'salt', type: 'bytes32' },
    ],
  },
] as const

const toChannelEvent = (log: RawLog): ChannelEvent => {
  const kind = KINDS.get(log.topics[0]!)!
  return {
    kind,
    channel: log.topics[1]!,
    amount: amountOf(kind, log.data),
    config: kind === 'created' ? configOf(log.data) : undefined,
    hash: log.transactionHash,
    block: BigInt(log.blockNumber),
    blockHash: log.blockHash,
    logIndex: Number(log.logIndex),
  }
}

const amountOf = (kind: ChannelEvent['kind'], data: Hex): bigint => {
  if (kind === 'created') return 0n
  if (kind === 'claim') return decodeAbiParameters([WORD, WORD], data)[1]
  return decodeAbiParameters([WORD], data)[0]
}

const configOf = (data: Hex): ChannelConfig => {
  const [config] = decodeAbiParameters(CONFIG, data)
  const { payer, payerAuthorizer, receiver, receiverAuthorizer, token, withdrawDelay, salt } = config
  return {
    payer: lower(payer),
    payerAuthorizer: lower(payerAuthorizer),
    receiver: lower(receiver),
    receiverAuthorizer: lower(receiverAuthorizer),
    token: lower(token),
    withdrawDelay,
    salt,
  }
}

const lower = (hex: Hex): Hex => hex.toLowerCase() as Hex

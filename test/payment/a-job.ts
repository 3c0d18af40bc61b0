import type { Hex } from '../../src/assets.ts'
import type { Chain, Head, Inclusion, TokenEvent } from '../../src/chain/chain.ts'
import { fail } from '../../src/errors.ts'
import type { Call, Tx } from '../../src/ledger/call.ts'
import { NO_MONEY } from '../../src/money.ts'
import type { Job } from '../../src/payment/jobs.ts'

export const TOKEN: Hex = `0x${'aa'.repeat(20)}`
export const PAYEE: Hex = `0x${'bb'.repeat(20)}`
export const NOW = 1_800_000_000

const word = (n: number, bytes: number): Hex => `0x${n.toString(16).padStart(bytes * 2, '0')}`

/** A served call whose payment is being settled; two of them differ in their nonce only. */
export const aCall = (n: number, change: Partial<Call> = {}): Call => ({
  id: `call_${n}`,
  claim: `claim_${n}`,
  chain: 'eip155:84532',
  token: TOKEN,
  decimals: 6,
  payer: word(7, 20),
  payTo: PAYEE,
  validAfter: 0n,
  validBefore: BigInt(NOW + 300),
  nonce: word(n, 32),
  signature: `0x${'11'.repeat(65)}`,
  signed: 1_000n,
  credit: 0n,
  ceiling: 1_000n,
  quoteId: 'quote',
  requestDigest: word(1, 32),
  asked: 'test/small',
  stream: false,
  settleFirst: false,
  at: NOW * 1000,
  exposed: NO_MONEY,
  pending: 0n,
  service: { at: 'dispatched' },
  settlement: { at: 'settling', hash: word(n, 32) },
  ...change,
})

export const aTx = (call: Call, nonce = 0, hash: Hex = word(nonce + 1_000, 32)): Tx => ({
  hash,
  chain: call.chain,
  settler: word(9, 20),
  nonce,
  raw: '0x02',
  maxFee: 10n,
  tip: 1n,
  call: call.id,
  at: call.at,
})

export const aJob = (call: Call, txs: readonly Tx[] = [aTx(call)], passedAt = NOW * 1000): Job => ({
  call,
  tx: txs.at(-1)!,
  txs,
  sentAt: call.at,
  passedAt,
})

export const used = ({ token, payer, nonce }: Call, logIndex: number): TokenEvent => ({
  kind: 'used',
  token,
  payer,
  nonce,
  logIndex,
})

export const moved = (
  { token, payer: from, payTo: to, signed: amount }: Call,
  logIndex: number,
): TokenEvent => ({ kind: 'transfer', token, from, to, amount, logIndex })

/** The hash of a fake block. */
export const blockHash = (block: bigint): Hex => word(Number(block) + 50_000, 32)

export const inBlock = (hash: Hex, block: bigint, logs: TokenEvent[], ok = true): Inclusion => ({
  hash,
  block,
  blockHash: blockHash(block),
  ok,
  gas: 21_000n,
  logs,
})

export const aHead = (number: bigint, timestamp = NOW): Head => ({
  number,
  hash: blockHash(number),
  timestamp,
  baseFee: 1n,
  tip: 1n,
})

export type FakeChain = {
  head: bigint
  included: Map<Hex, Inclusion>
  /** Who used an authorization, by nonce. */
  users: Map<Hex, Hex>
  /** Authorizations that the token calls used. */
  burnt: Set<Hex>
  /** Blocks that are not what they were, and blocks that this node does not have. */
  replaced: Set<bigint>
  finalized: bigint
  down: boolean
  asked: string[]
}

/** A chain made of facts that the test sets; reads as a node would answer. */
export const fakeChain = (facts: Partial<FakeChain> = {}): { chain: Chain; facts: FakeChain } => {
  const all: FakeChain = {
    head: 100n,
    included: new Map(),
    users: new Map(),
    burnt: new Set(),
    replaced: new Set(),
    finalized: 0n,
    down: false,
    asked: [],
    ...facts,
  }
  const tell = <T>(question: string, answer: T): Promise<T> => {
    all.asked.push(question)
    return all.down ? Promise.reject(fail('chain_unavailable')) : Promise.resolve(answer)
  }
  const hashOf = (block: bigint): Hex | undefined => {
    if (block > all.head) return undefined
    return all.replaced.has(block) ? word(1, 32) : blockHash(block)
  }
  const chain: Chain = {
    id: 'eip155:84532',
    head: () => tell('head', aHead(all.head)),
    finalized: () => tell('finalized', all.finalized),
    payer: (_, __, nonce) => tell('payer', { balance: 0n, used: all.burnt.has(nonce), isContract: false }),
    reverts: () => tell('reverts', false),
    fees: ({ baseFee }) => ({ maxFee: baseFee * 2n + 1n, tip: 1n }),
    nonce: () => tell('nonce', 0),
    gasBalance: () => tell('gasBalance', 0n),
    send: (raws) =>
      tell(
        'send',
        raws.map(() => undefined),
      ),
    inclusions: (hashes) =>
      tell(
        'inclusions',
        hashes.map((hash) => all.included.get(hash)),
      ),
    blockHashes: (blocks) => tell(`blocks ${blocks}`, blocks.map(hashOf)),
    transfers: () => tell('transfers', []),
    usedIn: (_, __, nonce, ___, to) =>
      to > all.head ? Promise.reject(fail('chain_unavailable')) : tell('usedIn', all.users.get(nonce)),
    usesIn: () => tell('usesIn', []),
    checkAsset: () => tell('checkAsset', undefined),
    checkId: () => tell('checkId', undefined),
    close: () => Promise.resolve(),
  }
  return { chain, facts: all }
}

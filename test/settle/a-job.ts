import type { Hex } from '../../src/assets.ts'
import type { Chain, Head, Inclusion, TokenEvent } from '../../src/chain/chain.ts'
import { fail } from '../../src/errors.ts'
import type { Call, Tx } from '../../src/ledger/call.ts'
import type { Errand } from '../../src/ledger/errand.ts'
import type { Payable } from '../../src/ledger/moves.ts'
import { NO_MONEY } from '../../src/money.ts'
import type { Job } from '../../src/settle/jobs.ts'

export const TOKEN: Hex = `0x${'aa'.repeat(20)}`
export const PAYEE: Hex = `0x${'bb'.repeat(20)}`
export const NOW = 1_800_000_000

const word = (n: number, bytes: number): Hex => `0x${n.toString(16).padStart(bytes * 2, '0')}`

/** A served call whose payment is being settled; two of them differ in their nonce only. */
export const aCall = (n: number, change: Partial<Call> = {}): Call => ({
  is: 'call',
  kind: 'eip3009',
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

/** A payout of credit from the settler's own balance. */
export const aPayout = (n: number, change: Partial<Errand> = {}): Errand => ({
  is: 'errand',
  id: `payout_${n}`,
  chain: 'eip155:84532',
  token: TOKEN,
  decimals: 6,
  payer: word(7, 20),
  from: word(9, 20),
  to: word(7, 20),
  amount: 1_000n,
  at: NOW * 1000,
  validAfter: 0n,
  validBefore: 0n,
  settlement: { at: 'settling', hash: word(n, 32) },
  task: { kind: 'payout' },
  ...change,
})

/** A transaction that settles one item, or several in their order. */
export const aTx = (of: Payable | readonly Payable[], nonce = 0, hash: Hex = word(nonce + 1_000, 32)): Tx => {
  const items = 'is' in of ? [of] : of
  return {
    hash,
    chain: 'eip155:84532',
    settler: word(9, 20),
    nonce,
    raw: '0x02',
    maxFee: 10n,
    tip: 1n,
    items: items.map((one) => one.id),
    at: NOW * 1000,
  }
}

export const aJob = (item: Payable, txs: readonly Tx[] = [aTx(item)], change: Partial<Job> = {}): Job => ({
  item,
  txs,
  waiting: false,
  since: NOW * 1000,
  alone: false,
  passedAt: NOW * 1000,
  ...change,
})

export const used = ({ token, payer, nonce }: Call, logIndex: number): TokenEvent => ({
  kind: 'used',
  token,
  payer,
  nonce,
  logIndex,
})

export const moved = (item: Payable, logIndex: number): TokenEvent => ({
  kind: 'transfer',
  token: item.token,
  from: item.is === 'call' ? item.payer : item.from,
  to: item.is === 'call' ? item.payTo : item.to,
  amount: item.is === 'call' ? item.signed : item.amount,
  logIndex,
})

/** The hash of a fake block. */
export const blockHash = (block: bigint): Hex => word(Number(block) + 50_000, 32)

export const inBlock = (hash: Hex, block: bigint, logs: TokenEvent[], ok = true): Inclusion => ({
  hash,
  block,
  blockHash: blockHash(block),
  ok,
  gas: 21_000n,
  gasUsed: 21_000n,
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
  /** Authorizations that the token or Permit2 calls used. */
  burnt: Set<Hex>
  /** Transactions that moved what is asked for. */
  movers: Hex[]
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
    movers: [],
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
  // What no test asks for is missing.
  const chain = {
    id: 'eip155:84532',
    head: () => tell('head', aHead(all.head)),
    finalized: () => tell('finalized', all.finalized),
    isUsed: ({ nonce }) => tell('isUsed', all.burnt.has(nonce)),
    fees: ({ baseFee }) => ({ maxFee: baseFee * 2n + 1n, tip: 1n }),
    nonce: () => tell('nonce', 0),
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
    usedIn: (_, __, nonce, ___, to) =>
      to > all.head ? Promise.reject(fail('chain_unavailable')) : tell('usedIn', all.users.get(nonce)),
    // Sent to a contract of somebody's own, which tells nothing.
    history: {
      sent: async (hashes: readonly Hex[]) =>
        hashes.map((hash) => ({
          hash,
          from: word(3, 20),
          to: word(4, 20),
          nonce: 0,
          input: '0x' as Hex,
          block: 90n,
        })),
    } as unknown as Chain['history'],
    movedIn: (_, __, to) =>
      to > all.head ? Promise.reject(fail('chain_unavailable')) : tell('movedIn', all.movers),
  } satisfies Partial<Chain> as unknown as Chain
  return { chain, facts: all }
}

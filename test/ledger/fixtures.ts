import type { Hex } from '../../src/assets.ts'
import type { Bill, Call, Proof, Tx } from '../../src/ledger/call.ts'
import { turnOf } from '../../src/ledger/call-moves.ts'
import type { Channel } from '../../src/ledger/channel.ts'
import type { Ledger, Posted } from '../../src/ledger/ledger.ts'
import { ACCOUNT, type Limits, type Move, type Payable } from '../../src/ledger/moves.ts'
import type { Usd } from '../../src/money.ts'

export const usd = (micro: number): Usd => BigInt(micro) as Usd
export const word = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`
export const address = (n: number): Hex => `0x${n.toString(16).padStart(40, '0')}`

export const ANN = address(0xa)
export const BOB = address(0xb)
export const TOKEN = address(0x70c)
export const BOOK = `eip155:8453/${TOKEN}`
export const NATIVE = 'eip155:8453/native'
export const PAY_TO = address(0x9a7)
const SETTLER = address(0x5e7)
export const AT = 1_700_000_000_000

let made = 0

/** A call just claimed: ANN signed 100 units that buy at most 100, and all of it is exposed. */
export const aCall = (change: Partial<Call> = {}): Call => {
  made += 1
  const { signed = 100n, credit = 0n, payer = ANN, settleFirst = false } = change
  const nonce = change.nonce ?? word(made)
  return {
    is: 'call',
    id: `call_${made.toString().padStart(6, '0')}`,
    kind: 'eip3009',
    claim: `${BOOK}:${payer}:${nonce}`,
    chain: 'eip155:8453',
    token: TOKEN,
    decimals: 6,
    payer,
    payTo: PAY_TO,
    validAfter: 0n,
    validBefore: BigInt(AT / 1000 + 600),
    nonce,
    signature: '0x5160',
    signed,
    credit,
    ceiling: signed + credit,
    quoteId: 'quote',
    requestDigest: word(0),
    asked: 'test/small',
    stream: false,
    settleFirst,
    at: AT,
    exposed: settleFirst ? usd(0) : (signed as Usd),
    pending: 0n,
    service: { at: 'claimed' },
    settlement: { at: 'none' },
    ...change,
  }
}

/** A call on a channel, just claimed: what it signs is added to what was charged there. */
export const aVoucher = (channel: Channel, change: Partial<Call> = {}): Call => {
  const { signed = 100n } = change
  return aCall({
    kind: 'voucher',
    payer: channel.config.payer,
    channel: channel.id,
    cumulative: channel.charged + signed,
    claim: turnOf(channel),
    exposed: usd(0),
    ...change,
  })
}

export const aBill = (charged: bigint): Bill => ({
  charged,
  usage: { input: 10, cached: 0, output: 2, source: 'reported' },
  model: 'test/small',
  provider: 'up',
  responseDigest: word(1),
  at: AT + 5,
})

/** The settlement transaction of some calls or errands at a nonce; a dearer one for the same nonce has another `version`. */
export const aTx = (
  items: Pick<Payable, 'id'> | readonly Pick<Payable, 'id'>[],
  nonce: number,
  version = 0,
): Tx => ({
  hash: word(nonce * 1000 + version + 1),
  chain: 'eip155:8453',
  settler: SETTLER,
  nonce,
  raw: '0xf8',
  maxFee: 10n,
  tip: 1n,
  items: [items].flat().map(({ id }) => id),
  at: AT,
})

export const aProof = (block: number, change: Partial<Proof> = {}): Proof => ({
  hash: word(block),
  block: BigInt(block),
  blockHash: word(block * 7),
  logIndex: 1,
  gas: 21n,
  ...change,
})

/** Stores a transaction for all that it settles. */
export const settle = (tx: Tx): Move => ({ type: 'settle', ids: tx.items, tx })

/** The moves of a call, short to write. */
export const moves = (call: Call) => {
  const { id } = call
  return {
    claim: (limits: Limits = {}): Move => ({ type: 'claim', call, limits }),
    ...payments(call),
    dispatch: { type: 'dispatch', id } as Move,
    stream: (tx?: Tx): Move => ({
      type: 'stream',
      id,
      model: 'test/small',
      provider: 'up',
      ...(tx && { tx }),
    }),
    bill: (charged: bigint, tx?: Tx, partial = false): Move => ({
      type: 'bill',
      id,
      bill: aBill(charged),
      partial,
      ...(tx && { tx }),
    }),
    release: { type: 'release', id, why: 'no provider' } as Move,
    reject: { type: 'reject', id, why: 'insufficient_funds' } as Move,
    /** A bill with which the money of the call is to be moved. */
    billDue: (charged: bigint): Move => ({
      type: 'bill',
      id,
      bill: aBill(charged),
      partial: false,
      due: true,
    }),
    refund: { type: 'refund', id, why: 'the answer never arrived' } as Move,
    due: { type: 'due', id } as Move,
  }
}

/** What happens to the settlement of a call or an errand. */
export const payments = ({ id }: Pick<Payable, 'id'>) => ({
  settle,
  include: (block: number): Move => ({ type: 'include', id, proof: aProof(block) }),
  settled: (block: number, moved?: bigint): Move => ({
    type: 'settled',
    id,
    proof: aProof(block),
    ...(moved !== undefined && { moved }),
  }),
  found: (block: number): Move => ({ type: 'found', id, proof: aProof(block) }),
  reorg: { type: 'reorg', id } as Move,
  lose: { type: 'lose', id, why: 'the transfer reverted', gas: 5n } as Move,
})

/** Posts moves one after the other; the answer to the last. */
export const postAll = async (ledger: Ledger, ...all: Move[]): Promise<Posted<Payable>> => {
  let last: Posted<Payable> | undefined
  for (const move of all) last = await ledger.post(move)
  return last!
}

/** Gives a payer credit, the only way there is: by a payment that was not used. */
export const giveCredit = async (ledger: Ledger, payer: Hex, units: bigint, nonce = 900): Promise<Call> => {
  const call = aCall({ payer, signed: units })
  const { claim, stream, bill, settled } = moves(call)
  await postAll(ledger, claim(), stream(aTx(call, nonce)), bill(0n), settled(nonce))
  return call
}

/** The balances and counters that are not zero, by short names: `credit`, `signed`… of ANN, `bob:credit` of BOB. */
export const standing = async (ledger: Ledger): Promise<Record<string, bigint>> => {
  const rows: [string, bigint][] = (await ledger.balances()).map(({ asset, account, value }) => [
    `${asset === BOOK ? '' : 'native '}${account}`,
    value,
  ])
  for (const [name, value] of Object.entries(await ledger.counters())) rows.push([name, value])
  const short = (name: string) =>
    name
      .replace(`signed:${BOOK}`, 'signed')
      .replace(`:${ANN}`, '')
      .replace(/^channel:0x0*/, 'channel ')
      .replace(/^(.*):0x0*b$/, 'bob:$1')
  return Object.fromEntries(
    rows
      .filter(([, value]) => value !== 0n)
      .map(([name, value]): [string, bigint] => [
        name.startsWith('exposure:') ? `payer ${short(name)}` : short(name),
        value,
      ])
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  )
}

export const creditOf = (ledger: Ledger, payer: Hex) => ledger.balance(BOOK, ACCOUNT.credit(payer))
export const counterOf = async (ledger: Ledger, name: string) => (await ledger.counters())[name] ?? 0n

/** How a ledger stands after some moves. */
export const after = async (ledger: Ledger, ...all: Move[]): Promise<Record<string, bigint>> => {
  await postAll(ledger, ...all)
  return standing(ledger)
}

/** How a payment of 100 stands that settled and bought nothing yet; and one that paid for 30. */
export const SETTLED_FIRST = {
  'chain:payTo': -100n,
  settled: 1n,
  'native gas:expense': -21n,
  'native gas:settler': 21n,
}
export const SETTLED = { ...SETTLED_FIRST, revenue: 30n, credit: 70n }

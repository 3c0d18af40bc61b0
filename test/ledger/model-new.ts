import { toUsd } from '../../src/assets.ts'
import type { Call, Drawn } from '../../src/ledger/call.ts'
import type { Channel } from '../../src/ledger/channel.ts'
import type { Errand } from '../../src/ledger/errand.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { ACCOUNT, type Move } from '../../src/ledger/moves.ts'
import { minOf } from '../../src/money.ts'
import type { Known } from './edges.ts'
import { aClaim, aDeposit, anErrand, aPayout, aRefund, channelOf, errandMoves } from './errands.ts'
import { ANN, aCall, address, aProof, aVoucher, BOB, usd } from './fixtures.ts'

/** What a command wants; what it is about is picked among what there is. */
export type Wish = {
  /** Something new: a call, or an errand. */
  claim: boolean
  order: boolean
  /** Which of the moves that are possible, or of the errands. */
  choice: number
  /** Any move, possible or not. */
  wild: boolean
  pick: number
  payer: number
  token: number
  kind: number
  signed: number
  credit: number
  dust: bigint
  settleFirst: boolean
  reuse: boolean
  charged: number
  partial: boolean
  /** The transaction comes later. */
  later: boolean
  block: number
}

export const LIMITS = { perPayer: usd(400), total: usd(700) }
export const PAYERS = [ANN, BOB, address(0xc)] as const
export const TOKENS = [
  { token: address(0x70c), decimals: 6 },
  { token: address(0x18), decimals: 18 },
] as const
/** Both in the first token: one of ANN, one of BOB. */
export const CHANNELS = [1, 2] as const

/** Two of an organisation, of which one only tells, one of a team, and a rolling one of a key in three pieces. */
const budgetsOf = (wish: Wish): Partial<Call> => {
  if (wish.block % 3 === 0) return {}
  const pieces = [0, 1, 2].map((n) => `budget:key_1:b4:${n}`)
  const [counter, ...beside] = [...pieces.slice(wish.pick % 3), ...pieces.slice(0, wish.pick % 3)] as [string]
  const all: Drawn[] = [
    { counter: 'budget:org_1:b1:total', limit: usd(900) },
    { counter: 'budget:org_1:b2:total' },
    { counter: `budget:team_${wish.pick % 2}:b3:total`, limit: usd(500) },
    { counter, beside, limit: usd(450) },
  ]
  return { budgets: all.filter((_, i) => (wish.block >> i) % 2 === 0) }
}

/** What calls draw on, and at times an approval. */
const desk = (wish: Wish): Partial<Call> => ({
  ...budgetsOf(wish),
  ...(wish.block % 5 === 0 && { approval: `approval ${wish.pick % 3}` }),
})

const PAID_BY = ['eip3009', 'permit2', 'upto', 'voucher'] as const

/** A number that was never used before. */
export const unused = (() => {
  let last = 0
  return () => ++last
})()

export const unitsOf = (decimals: number, micro: number, dust: bigint): bigint =>
  decimals === 6 ? BigInt(micro) : BigInt(micro) * 10n ** 12n + dust

export const bookAt = ({ token }: Wish): string => `eip155:8453/${TOKENS[token]!.token}`

/** A call that somebody wants to make. */
export const newCall = async (known: readonly Known[], ledger: Ledger, wish: Wish): Promise<Move> => {
  const channel = await channelOf(ledger, CHANNELS[wish.pick % 2]!)
  const kind = PAID_BY[wish.kind]!
  if (kind === 'voucher' && channel) return { type: 'claim', call: voucher(channel, wish), limits: LIMITS }
  const { token, decimals } = TOKENS[wish.token]!
  const payer = PAYERS[wish.payer]!
  const units = (micro: number) => unitsOf(decimals, micro, wish.dust)
  const had = await ledger.balance(bookAt(wish), ACCOUNT.credit(payer))
  // Mostly credit that is there, at times a unit more.
  const credit = had > 0n ? minOf(had + (wish.reuse ? 1n : 0n), units(wish.credit)) : 0n
  const signed = wish.signed < 20 && credit > 0n ? 0n : units(wish.signed + 1)
  const settleFirst = wish.settleFirst && signed > 0n && kind !== 'upto'
  const call = aCall({
    kind: kind === 'voucher' ? 'eip3009' : kind,
    payer,
    token,
    decimals,
    signed,
    credit,
    settleFirst,
    exposed: settleFirst ? usd(0) : toUsd(signed, decimals),
    claim: claimOf(known, wish),
    ...desk(wish),
    ...(wish.charged % 4 === 0 && { key: `name ${wish.pick % 3}` }),
  })
  return { type: 'claim', call, limits: LIMITS }
}

const voucher = (channel: Channel, wish: Wish) => {
  const left = channel.balance - channel.charged
  const signed = left > 0n && !wish.reuse ? minOf(left, BigInt(wish.signed + 1)) : BigInt(wish.signed + 1)
  return aVoucher(channel, {
    signed,
    ...desk(wish),
    ...(wish.wild && { cumulative: channel.charged + signed + 1n }),
  })
}

const claimOf = (known: readonly Known[], wish: Wish): string => {
  const held = wish.reuse ? known.at(-1 - (wish.pick % Math.max(1, known.length)))?.item.claim : undefined
  return held ?? `${bookAt(wish)}:${unused()}`
}

/** Something that somebody wants done on the chain, or that was seen there. */
export const newErrand = async (ledger: Ledger, wish: Wish): Promise<Move> => {
  const n = CHANNELS[wish.pick % 2]!
  const channel = await channelOf(ledger, n)
  const amount = BigInt(wish.signed + 1)
  const { token, decimals } = TOKENS[wish.token]!
  const payer = PAYERS[wish.payer]!
  const order = (errand: Errand, seen = false): Move =>
    seen ? errandMoves(errand).seen(wish.block) : errandMoves(errand).order
  switch (wish.choice % 8) {
    case 0:
    case 1:
    case 2:
      if (!channel) return order(aDeposit(n, amount * 3n, { payer: PAYERS[n - 1]! }), wish.later)
      return order(aDeposit(n, amount, { payer: PAYERS[n - 1]! }), wish.later)
    case 3: {
      const open = await ledger.openChannels()
      return order(aClaim(wish.partial ? open : open.slice(0, 1)), wish.wild)
    }
    case 4:
      if (channel) return order(aRefund(channel, wish.partial ? amount : channel.balance - channel.charged))
      break
    case 5:
      if (!channel || channel.balance < amount) break
      return order(anErrand({ kind: 'withdrawal', channel: channel.id }, { amount }), true)
    case 6: {
      const had = await ledger.balance(bookAt(wish), ACCOUNT.credit(payer))
      return order({
        ...aPayout(
          minOf(had > 0n ? had : 0n, unitsOf(decimals, wish.credit, 0n)) + (wish.reuse ? 1n : 0n),
          payer,
        ),
        token,
      })
    }
    default:
  }
  const what = (['inflow', 'outflow', 'funding', 'defunding', 'refill', 'return', 'sweep'] as const)[
    wish.block % 7
  ]!
  const seen = anErrand({ kind: 'observed', what }, { amount, claim: `seen:${unused()}`, token, decimals })
  return order({ ...seen, settlement: { at: 'settled', proof: aProof(wish.block) } })
}

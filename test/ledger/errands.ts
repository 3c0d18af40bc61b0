import type { Hex } from '../../src/assets.ts'
import { type Channel, channelKey } from '../../src/ledger/channel.ts'
import type { Claim, Errand, Task } from '../../src/ledger/errand.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import type { Move } from '../../src/ledger/moves.ts'
import type { ChannelConfig } from '../../src/wire/contracts.ts'
import {
  ANN,
  AT,
  address,
  aProof,
  aVoucher,
  moves,
  PAY_TO,
  payments,
  postAll,
  TOKEN,
  word,
} from './fixtures.ts'

const ESCROW = address(0x402)
let made = 0

/** Something to be done on the chain, for ANN. */
export const anErrand = (task: Task, change: Partial<Errand> = {}): Errand => {
  made += 1
  return {
    is: 'errand',
    id: `errand_${made.toString().padStart(6, '0')}`,
    chain: 'eip155:8453',
    token: TOKEN,
    decimals: 6,
    payer: ANN,
    from: ANN,
    to: ESCROW,
    amount: 0n,
    at: AT,
    validBefore: 0n,
    validAfter: 0n,
    settlement: { at: 'due' },
    task,
    ...change,
  }
}

/** The moves of an errand, short to write. */
export const errandMoves = (errand: Errand) => ({
  order: { type: 'order', errand } as Move,
  /** It was only seen, in this block. */
  seen: (block: number): Move => ({
    type: 'order',
    errand: { ...errand, settlement: { at: 'settled', proof: aProof(block) } },
  }),
  ...payments(errand),
})

export const keyOf = (n: number): string => channelKey('eip155:8453', word(n))

export const aConfig = (payer: Hex, n: number): ChannelConfig => ({
  payer,
  payerAuthorizer: payer,
  receiver: PAY_TO,
  receiverAuthorizer: PAY_TO,
  token: TOKEN,
  withdrawDelay: 900,
  salt: word(n),
})

export const aDeposit = (n: number, amount: bigint, change: Partial<Errand> = {}): Errand => {
  const { payer = ANN } = change
  const by = { kind: 'permit2', nonce: word(made), deadline: 1n, signature: '0x51' } as const
  return anErrand(
    { kind: 'deposit', channel: keyOf(n), config: aConfig(payer, n), by, claimed: 0n, refundNonce: 0n },
    { amount, claim: `deposit:${made}`, payer, from: payer, ...change },
  )
}

/** What vouchers cover and was not claimed, of some channels in one claim. */
export const aClaim = (channels: readonly Channel[], change: Partial<Errand> = {}): Errand => {
  const claims = channels.map(
    ({ id, config, voucher, claimed, charged }): Claim => ({
      channel: id,
      config,
      max: voucher?.max ?? charged,
      signature: voucher?.signature ?? '0x',
      from: claimed,
      total: charged,
    }),
  )
  const amount = claims.reduce((sum, { from, total }) => sum + total - from, 0n)
  return anErrand(
    { kind: 'claim', receiver: PAY_TO, claims },
    { payer: PAY_TO, from: ESCROW, to: PAY_TO, amount, ...change },
  )
}

/** Gives the payer back what is left in a channel, or a part of it. */
export const aRefund = (channel: Channel, amount = channel.balance - channel.charged): Errand => {
  const { id, config, charged, claimed, refundNonce } = channel
  const [claim] = charged > claimed ? (aClaim([channel]).task as Extract<Task, { kind: 'claim' }>).claims : []
  const task: Task = { kind: 'refund', channel: id, config, claim, refundNonce }
  return anErrand(task, { payer: config.payer, from: ESCROW, to: config.payer, amount })
}

export const aPayout = (amount: bigint, payer: Hex = ANN): Errand =>
  anErrand({ kind: 'payout' }, { payer, from: address(0x5e7), to: payer, amount })

/** Opens a channel, or puts more into it; how it stands then. */
export const putIn = async (
  ledger: Ledger,
  n: number,
  amount: bigint,
  change: Partial<Errand> = {},
): Promise<Channel> => {
  const deposit = aDeposit(n, amount, change)
  await postAll(ledger, errandMoves(deposit).order, errandMoves(deposit).settled(1))
  return channelOf(ledger, n)
}

export const channelOf = async (ledger: Ledger, n: number): Promise<Channel> =>
  (await ledger.channel(keyOf(n)))!

/** Puts 200 into a channel and charges 30 there. */
export const charged = async (ledger: Ledger, n: number, change: Partial<Errand> = {}) => {
  const call = aVoucher(await putIn(ledger, n, 200n, change))
  await postAll(ledger, moves(call).claim(), moves(call).bill(30n))
  return channelOf(ledger, n)
}

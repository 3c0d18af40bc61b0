import { toUsd } from '../assets.ts'
import { NO_MONEY } from '../money.ts'
import { book, bookOf, nativeOf } from './accounts.ts'
import { type Call, creditedBy, isServing, movesWhole, type Proof, type Tx, toMove } from './call.ts'
import { effect, undo } from './errand-moves.ts'
import type { Posting } from './ledger.ts'
import type { Change, Payable, Read, Subject } from './moves.ts'
import { ACCOUNT, COUNTER } from './names.ts'
import { type Bump, bump, transfers } from './postings.ts'

/** Everything that a transaction settles, on its way with it: all or none. */
export const settle = (ids: readonly string[], tx: Tx, read: Read): Change | undefined => {
  const put: Payable[] = []
  for (const id of ids) {
    const subject = read(id)
    if (!subject || subject.is === 'channel') return undefined
    const { settlement } = subject
    // A released authorization is never broadcast, and neither is one that a call on credit did not need.
    const fresh =
      settlement.at === 'none' && subject.is === 'call' && movesWhole(subject) && isServing(subject)
    if (!fresh && settlement.at !== 'due' && settlement.at !== 'settling') return undefined
    put.push({ ...subject, settlement: { at: 'settling', hash: tx.hash } })
  }
  const [first, ...more] = put
  if (!first || put.every((one, i) => hashOf(read(ids[i]!)) === hashOf(one))) return undefined
  return { put: [first, ...more], tx, postings: [], bumps: [] }
}

const hashOf = (subject: Subject | undefined): string | undefined =>
  subject && subject.is !== 'channel' && subject.settlement.at === 'settling'
    ? subject.settlement.hash
    : undefined

/** Proven deep enough: the money is where it belongs. */
export const settled = (subject: Payable, proof: Proof, read: Read, moved?: bigint): Change => {
  if (subject.is === 'errand') return effect(subject, proof, read, moved)
  const call = subject
  return {
    put: [{ ...call, settlement: { at: 'settled', proof }, exposed: NO_MONEY, pending: 0n }],
    postings: [
      ...book(call, [
        [ACCOUNT.chain, ACCOUNT.due(call.payer), toMove(call)],
        [ACCOUNT.pending(call.payer), ACCOUNT.credit(call.payer), call.pending],
      ]),
      ...gasOf(call, proof.gas),
    ],
    bumps: [...exposure(call, -call.exposed), ...unsign(call), { name: COUNTER.settled(call.payer), by: 1n }],
  }
}

/** The block is gone: the payment is on its way again. */
export const reorg = (subject: Payable, read: Read): Change | undefined => {
  const { settlement } = subject
  if (settlement.at === 'included') {
    const again = { ...subject, settlement: { at: 'settling', hash: settlement.proof.hash } } as const
    return { put: [again], postings: [], bumps: [] }
  }
  if (settlement.at !== 'settled') return undefined
  const back = { at: 'settling', hash: settlement.proof.hash } as const
  // The gas came back with the block; it is spent again when the transaction lands again.
  const gas = transfers(nativeOf(subject), [[ACCOUNT.settlerGas, ACCOUNT.gas, settlement.proof.gas]])
  if (subject.is === 'errand') {
    const change = undo({ ...subject, settlement: back }, read)
    return { ...change, postings: [...change.postings, ...gas] }
  }
  // What became credit when it settled must be pending again; the payer may have spent it, then its credit is negative.
  const call = subject
  const pending = creditedBy(call)
  const exposed = toUsd(toMove(call) - pending, call.decimals)
  return {
    put: [{ ...call, settlement: back, pending, exposed }],
    postings: [
      ...book(call, [
        [ACCOUNT.due(call.payer), ACCOUNT.chain, toMove(call)],
        [ACCOUNT.credit(call.payer), ACCOUNT.pending(call.payer), pending],
      ]),
      ...gas,
    ],
    bumps: [
      ...exposure(call, exposed),
      { name: COUNTER.signed(bookOf(call), call.payer), by: toMove(call) },
      { name: COUNTER.settled(call.payer), by: -1n },
    ],
  }
}

/** It can never settle. */
export const lose = (subject: Payable, why: string, gas: bigint, read: Read): Change => {
  if (subject.is === 'errand') {
    const change = undo({ ...subject, settlement: { at: 'lost', why } }, read)
    return { ...change, postings: [...change.postings, ...gasOf(subject, gas)] }
  }
  const call = subject
  const unpaid = isServing(call) ? 0n : toMove(call) - call.pending
  return {
    put: [{ ...call, settlement: { at: 'lost', why }, exposed: NO_MONEY, pending: 0n }],
    postings: [
      ...book(call, [
        [ACCOUNT.pending(call.payer), ACCOUNT.due(call.payer), call.pending],
        [ACCOUNT.loss, ACCOUNT.due(call.payer), unpaid],
      ]),
      ...gasOf(call, gas),
    ],
    bumps: [
      ...exposure(call, -call.exposed),
      ...unsign(call),
      ...bump(COUNTER.unpaid(call.payer), toUsd(unpaid, call.decimals)),
    ],
  }
}

/** What was given up came after all: the loss is made good, and the payer is no longer in debt for it. */
export const found = (subject: Payable, proof: Proof, read: Read): Change | undefined => {
  if (subject.is === 'errand') return effect(subject, proof, read)
  const call = subject
  if (isServing(call)) return undefined
  const credited = creditedBy(call)
  const unpaid = toMove(call) - credited
  return {
    put: [{ ...call, settlement: { at: 'settled', proof } }],
    postings: [
      ...book(call, [
        [ACCOUNT.chain, ACCOUNT.loss, unpaid],
        [ACCOUNT.chain, ACCOUNT.credit(call.payer), credited],
      ]),
      ...gasOf(call, proof.gas),
    ],
    bumps: [
      ...bump(COUNTER.unpaid(call.payer), -toUsd(unpaid, call.decimals)),
      { name: COUNTER.settled(call.payer), by: 1n },
    ],
  }
}

const gasOf = (subject: Payable, wei: bigint): Posting[] =>
  transfers(nativeOf(subject), [[ACCOUNT.gas, ACCOUNT.settlerGas, wei]])

const unsign = (call: Call): Bump[] => bump(COUNTER.signed(bookOf(call), call.payer), -toMove(call))

const exposure = (call: Call, by: bigint): Bump[] => [
  ...bump(COUNTER.payerExposure(call.payer), by),
  ...bump(COUNTER.exposure, by),
]

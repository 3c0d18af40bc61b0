import type { Usd } from '../money.ts'
import { type Bill, type Call, isServing, isSettling, movesWhole, type Proof, type Tx } from './call.ts'
import { claim, close, refund } from './call-moves.ts'
import type { Channel } from './channel.ts'
import type { Errand } from './errand.ts'
import { order } from './errand-moves.ts'
import type { Posting } from './ledger.ts'
import type { Bump } from './postings.ts'
import { found, lose, reorg, settle, settled } from './settlement-moves.ts'

export { bookOf } from './accounts.ts'
export { ACCOUNT, COUNTER } from './names.ts'

/** What a ledger holds: calls, what must be done on the chain besides, and channels. */
export type Subject = Call | Errand | Channel
/** What a transaction on the chain can settle. */
export type Payable = Call | Errand

/** Everything that can happen to a call, an errand or a channel. */
export type Move =
  | { type: 'claim'; call: Call; limits: Limits }
  | { type: 'reject'; id: string; why: string }
  | { type: 'dispatch'; id: string }
  /** `due`: its money is to be moved from now on; `tx`: and this transaction does it. */
  | { type: 'stream'; id: string; model: string; provider: string; tx?: Tx; due?: boolean }
  | { type: 'bill'; id: string; bill: Bill; partial: boolean; tx?: Tx; due?: boolean }
  | { type: 'release'; id: string; why: string }
  /** Gives the charge of a call back as credit: its answer never arrived. */
  | { type: 'refund'; id: string; why: string }
  /** Something to be done on the chain, or seen there when its settlement says so. */
  | { type: 'order'; errand: Errand }
  /** Money that came without a call is to be moved: of a call that was not served yet. */
  | { type: 'due'; id: string }
  /** Stores a transaction that settles all of `ids`: the first one, or a replacement. All of them, or none. */
  | { type: 'settle'; ids: readonly string[]; tx: Tx }
  | { type: 'include'; id: string; proof: Proof }
  /** The proof reached the confirmation depth: the money is ours. `moved`: the units of an errand, when others than expected. */
  | { type: 'settled'; id: string; proof: Proof; moved?: bigint }
  /** The block of the proof is no longer canonical. */
  | { type: 'reorg'; id: string }
  | { type: 'lose'; id: string; why: string; gas: bigint }
  /** A payment that was given up is on the chain after all. */
  | { type: 'found'; id: string; proof: Proof }

/** Upper bounds at the claim; undefined is no bound. In micro-dollars. */
export type Limits = { perPayer?: Usd; total?: Usd }

/** What a move does, all or nothing: subjects as they stand after it, the one it is about first. `guard` names an account that must not fall below zero. */
export type Change = {
  put: readonly [Subject, ...Subject[]]
  tx?: Tx
  postings: Posting[]
  bumps: Bump[]
  guard?: string
}

/** A move that a channel does not allow now. */
export type Refused = { refused: 'channel'; channel: Channel | undefined }

/** Reads a subject by its id. */
export type Read = (id: string) => Subject | undefined

/** Decides a move; undefined when its subject is past it (the same move again, or one that came too late). Pure. */
export const decide = (move: Move, read: Read): Change | Refused | undefined => {
  if (move.type === 'claim') return read(move.call.id) ? undefined : claim(move.call, move.limits, read)
  if (move.type === 'order') return read(move.errand.id) ? undefined : order(move.errand, read)
  if (move.type === 'settle') return settle(move.ids, move.tx, read)
  const subject = read(move.id)
  if (!subject || subject.is === 'channel') return undefined
  if (subject.is === 'call') {
    const change = serviceMove(move, subject, read)
    if (change !== 'settlement') return change
  }
  switch (move.type) {
    case 'include':
      return isSettling(subject) && subject.settlement.at !== 'included'
        ? plain({ ...subject, settlement: { at: 'included', proof: move.proof } })
        : undefined
    case 'settled':
      return isSettling(subject) ? settled(subject, move.proof, read, move.moved) : undefined
    case 'found':
      return subject.settlement.at === 'lost' ? found(subject, move.proof, read) : undefined
    case 'reorg':
      return reorg(subject, read)
    case 'lose':
      return isSettling(subject) ? lose(subject, move.why, move.gas, read) : undefined
    default:
      return undefined
  }
}

/** The ids of what a move is about; more may change with them. */
export const idsOf = (move: Move): readonly string[] => {
  if (move.type === 'claim') return [move.call.id]
  if (move.type === 'order') return [move.errand.id]
  return move.type === 'settle' ? move.ids : [move.id]
}

const serviceMove = (move: Move, call: Call, read: Read): Change | undefined | 'settlement' => {
  switch (move.type) {
    case 'dispatch':
      return call.service.at === 'claimed' ? plain({ ...call, service: { at: 'dispatched' } }) : undefined
    case 'stream':
      return stream(call, move)
    case 'bill':
      return isServing(call) ? bill(call, move, read) : undefined
    case 'release':
      return isServing(call) ? close(call, { at: 'released', why: move.why }, 0n, read) : undefined
    case 'reject':
      return call.service.at === 'claimed'
        ? close(call, { at: 'rejected', why: move.why }, 0n, read)
        : undefined
    case 'refund':
      return refund(call)
    case 'due':
      return isServing(call) && movesWhole(call) && call.settlement.at === 'none'
        ? plain(intended(call, undefined, true))
        : undefined
    default:
      return 'settlement'
  }
}

const plain = (subject: Subject): Change => ({ put: [subject], postings: [], bumps: [] })

const stream = (call: Call, move: Extract<Move, { type: 'stream' }>): Change | undefined => {
  if (call.service.at !== 'claimed' && call.service.at !== 'dispatched') return undefined
  if ((move.tx || move.due) && !movesWhole(call)) return undefined
  const next: Call = { ...call, service: { at: 'streaming', model: move.model, provider: move.provider } }
  return { ...plain(intended(next, move.tx, move.due)), ...(move.tx && { tx: move.tx }) }
}

const bill = (before: Call, move: Extract<Move, { type: 'bill' }>, read: Read): Change | undefined => {
  // A voucher moves nothing by itself.
  if ((move.tx || move.due) && before.kind === 'voucher') return undefined
  const call = intended(before, move.tx, move.due)
  const service = { at: move.partial ? 'partial' : 'served', bill: move.bill } as const
  const change = close(call, service, move.bill.charged, read)
  return change && move.tx ? { ...change, tx: move.tx } : change
}

/** The call with its money on the way, when it was not before. */
const intended = (call: Call, tx: Tx | undefined, due: boolean | undefined): Call => {
  const { settlement } = call
  if (tx && (settlement.at === 'none' || settlement.at === 'due' || settlement.at === 'settling'))
    return { ...call, settlement: { at: 'settling', hash: tx.hash } }
  return due && settlement.at === 'none' ? { ...call, settlement: { at: 'due' } } : call
}

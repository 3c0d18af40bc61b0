/** How moves and what came of them cross from one thread to the other: as the text that is stored anyway, which is cheaper than to clone them. */
import { decode, encode } from './codec.ts'
import type { Posted } from './ledger.ts'
import type { Move, Payable } from './moves.ts'

/** What came of a move; a call that is as it was in its move is null. */
export type Told =
  | { ok: true; calls: (string | null)[]; counters: Record<string, bigint> }
  | Extract<Posted<never>, { ok: false }>

/** For the other thread: `textOf` knows the text of what was just stored. */
export const tell = (
  move: Move,
  posted: Posted<Payable>,
  textOf: (call: Payable) => string | undefined,
): Told => {
  if (!posted.ok) return posted as Told
  const own = move.type === 'claim' ? move.call : undefined
  const calls = posted.calls.map((call) => (call === own ? null : (textOf(call) ?? encode(call))))
  return { ok: true, calls, counters: posted.counters }
}

/** The same on this side, where `move` was sent from. */
export const hear = (move: Move, told: Told): Posted<Payable> => {
  if (!told.ok) return told as Posted<Payable>
  const own = move.type === 'claim' ? move.call : undefined
  const calls = told.calls.map((text) => (text === null ? own! : decode<Payable>(text)))
  return { ok: true, call: calls[0]!, calls, counters: told.counters }
}

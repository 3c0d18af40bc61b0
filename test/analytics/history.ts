import type { Bill, Call } from '../../src/ledger/call.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import type { Move } from '../../src/ledger/moves.ts'
import type { Usd } from '../../src/money.ts'
import { AT, aBill, aCall, address, aProof, aTx, moves } from '../ledger/fixtures.ts'

/** Numbers that look random and are the same every time. */
export const dice = (seed: number): ((n: number) => number) => {
  let state = seed + 1
  return (n) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % n
  }
}

const PATHS = [
  [],
  ['org_a'],
  ['org_a', 'team_x', 'user_m', 'key_1'],
  ['org_a', 'team_x', 'user_m', 'key_2'],
  ['org_a', 'user_n', 'key_3'],
  ['org_b', 'team_y', 'user_o', 'key_4'],
] as const

/** Who called, when, why and with which tags: told by one number. */
export const worn = (call: Call, n: number): Call => ({
  ...call,
  at: AT + (n % 7) * 5 * 3_600_000,
  account: PATHS[n % PATHS.length]!,
  why: `${['balanced', 'cost'][n % 2]} of 3 hosts`,
  ...(n % 3 > 0 && {
    tags: { team: `t${n % 4}`, ...(n % 3 > 1 && { 'a b/c=é~': `${'x'.repeat(n % 200)}` }) },
  }),
})

/** What an answer used and cost: told by one number. */
export const used = (bill: Bill, n: number): Bill => ({
  ...bill,
  model: `lab/model-${n % 3}`,
  provider: `host${n % 2}`,
  usage: { input: n % 100, cached: n % 7, output: n % 50, source: 'reported' },
  ...(n % 5 > 0 && { cost: BigInt(n % 40) as Usd, flagship: BigInt(n % 400) as Usd }),
  ...(n % 4 > 0 && { firstMs: n % 900, ms: n % 9_000 }),
})

/** A number that stands for an id. */
export const numberOf = (id: string): number =>
  [...id].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) >>> 0, 7)

/** Lives of calls, several at once: served, failed, refused, settled before or after, lost, found, taken back, refunded. */
export const live = async (
  ledger: Ledger,
  count: number,
  roll: (n: number) => number,
  from = 0,
): Promise<void> => {
  const queues: Move[][] = []
  for (let made = from; made < from + count || queues.length > 0; ) {
    if (queues.length < 8 && made < from + count) queues.push(life(made++, roll))
    const at = roll(queues.length)
    const move = queues[at]!.shift()!
    await ledger.post(move)
    if (queues[at]!.length === 0) queues.splice(at, 1)
  }
}

let nonce = 500_000

const life = (n: number, roll: (n: number) => number): Move[] => {
  const call = worn(aCall({ payer: address(5_000 + n), settleFirst: roll(5) === 0 }), roll(1_000))
  const { claim, stream, release, reject, refund, lose, found, reorg, settle, dispatch } = moves(call)
  const tx = aTx(call, ++nonce)
  const proof = aProof(nonce, { gas: BigInt(21_000 + roll(9)) })
  const settled: Move = { type: 'settled', id: call.id, proof }
  const again: Move = { type: 'settled', id: call.id, proof: { ...proof, gas: 77n } }
  const bill: Move = {
    type: 'bill',
    id: call.id,
    bill: used(aBill(BigInt(roll(100))), roll(1_000)),
    partial: roll(5) === 0,
  }
  if (roll(8) === 0) return [claim(), reject]
  if (roll(8) === 0) return [claim(), dispatch, release]
  if (call.settleFirst)
    return [
      claim(),
      settle(tx),
      settled,
      ...(roll(2) ? [reorg, again] : []),
      stream(),
      roll(4) ? bill : release,
    ]
  const ends = [[settled], [lose], [lose, found(nonce)], [settled, reorg, again], [settled, reorg, lose]][
    roll(5)
  ]!
  const paid = [stream(tx), ...(roll(2) ? [bill, ...ends] : [...ends, bill])]
  return [claim(), ...paid, ...(roll(3) === 0 ? [refund] : [])]
}

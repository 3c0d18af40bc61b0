import fc from 'fast-check'
import { expect } from 'vitest'
import { toUsd } from '../../src/assets.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { ACCOUNT, type Move } from '../../src/ledger/moves.ts'
import { minOf } from '../../src/money.ts'
import { isDue, type Known, stepOf } from './edges.ts'
import { ANN, aCall, address, aProof, aTx, BOB, moves, usd } from './fixtures.ts'

export type Twins = {
  memory: Ledger
  sqlite: Ledger
  /** Lets the clock go on. */
  next: () => void
  /** Both have one clock, so their journals are equal to the byte. */
  sealed: boolean
  /** The edges of the state machine that were taken. */
  taken: Set<string>
}

/** What we think the calls are, told by the table below and by nothing of the ledger. */
export type Model = { calls: Known[] }

const LIMITS = { perPayer: usd(400), total: usd(700) }
const TOKENS = [
  { token: address(0x70c), decimals: 6 },
  { token: address(0x18), decimals: 18 },
] as const

/** What a command wants; the call it is about is picked among those there are. */
type Wish = {
  claim: boolean
  /** Which of the moves that are possible. */
  choice: number
  /** Any move, possible or not. */
  wild: boolean
  pick: number
  payer: number
  token: number
  signed: number
  credit: number
  dust: bigint
  settleFirst: boolean
  reuse: boolean
  charged: number
  partial: boolean
  block: number
}

type Command = fc.AsyncCommand<Model, Twins>

const KINDS = [
  'dispatch',
  'stream',
  'bill',
  'release',
  'reject',
  'settle',
  'include',
  'settled',
  'reorg',
  'lose',
] as const satisfies Move['type'][]
type Kind = (typeof KINDS)[number]

/** One random thing that happens to one of the calls. */
export const anyCommand = (): fc.Arbitrary<Command> =>
  fc
    .record<Wish>({
      claim: oneIn(6),
      choice: fc.nat(359),
      wild: oneIn(8),
      pick: fc.nat(11),
      payer: fc.nat(1),
      token: fc.nat(1),
      signed: fc.nat(250),
      credit: fc.nat(120),
      dust: fc.bigInt(0n, 10n ** 12n - 1n),
      settleFirst: fc.boolean(),
      reuse: oneIn(10),
      charged: fc.nat(400),
      partial: fc.boolean(),
      block: fc.integer({ min: 1, max: 50 }),
    })
    .map(toCommand)

const oneIn = (n: number) => fc.integer({ min: 1, max: n }).map((drawn) => drawn === n)

const toCommand = (wish: Wish): Command => {
  let did = 'nothing'
  return {
    check: () => true,
    run: async (model, twins) => {
      const kind = wish.claim || model.calls.length === 0 ? 'claim' : kindOf(pickOf(model.calls, wish), wish)
      did = `${kind} ${kind === 'claim' ? `${wish.signed}+${wish.credit}` : wish.pick}`
      if (kind === 'claim') await claim(model, twins, wish)
      else await move(model, twins, kind, wish)
      await judge(model, twins)
    },
    toString: () => did,
  }
}

const pickOf = (calls: readonly Known[], { pick }: Wish): Known =>
  calls.at(-1 - (pick % Math.min(4, calls.length)))!

const kindOf = (known: Known, { choice, wild, partial }: Wish): Kind => {
  const asked = KINDS.filter((kind) => mayAsk(known, kind))
  const possible = asked.filter((kind) => {
    const { service, settlement } = stepOf(known, kind, partial)
    return service ?? settlement
  })
  const from = wild || possible.length === 0 ? asked : possible
  return from[choice % from.length]!
}

// What no caller of the ledger does: settling first what is not to settle first, releasing what was begun and is being paid.
const mayAsk = ({ call, settlement }: Known, kind: Kind): boolean => {
  if (call.settleFirst) return true
  if (kind === 'settle') return settlement !== 'none'
  return kind !== 'release' || settlement === 'none'
}

let nonce = 0

const claim = async (model: Model, twins: Twins, wish: Wish): Promise<void> => {
  const { token, decimals } = TOKENS[wish.token]!
  const payer = wish.payer ? BOB : ANN
  const units = (micro: number) => unitsOf(decimals, micro, wish.dust)
  const book = `eip155:8453/${token}`
  const had = await twins.memory.balance(book, ACCOUNT.credit(payer))
  // Mostly credit that is there, at times a unit more.
  const credit = had > 0n ? minOf(had + (wish.reuse ? 1n : 0n), units(wish.credit)) : 0n
  const signed = wish.signed < 20 && credit > 0n ? 0n : units(wish.signed + 1)
  const settleFirst = wish.settleFirst && signed > 0n
  const exposed = settleFirst ? usd(0) : toUsd(signed, decimals)
  const call = aCall({
    payer,
    token,
    decimals,
    signed,
    credit,
    settleFirst,
    exposed,
    claim: claimOf(model, book, wish),
  })
  const posted = await both(twins, { type: 'claim', call, limits: LIMITS })
  const taken = model.calls.some((known) => known.call.claim === call.claim)
  if (taken) expect(posted).toMatchObject({ ok: false, why: 'claimed' })
  else if (credit > 0n && credit > had) expect(posted).toMatchObject({ ok: false })
  if (posted.ok) model.calls.push({ call, service: 'claimed', settlement: 'none' })
}

const claimOf = ({ calls }: Model, book: string, wish: Wish): string =>
  wish.reuse && calls.length > 0 ? pickOf(calls, wish).call.claim : `${book}:${++nonce}`

const move = async (model: Model, twins: Twins, kind: Kind, wish: Wish): Promise<void> => {
  const known = pickOf(model.calls, wish)
  const { service, settlement } = stepOf(known, kind, wish.partial)
  const posted = await both(twins, moveOf(known, kind, wish))
  const possible = Boolean(service ?? settlement)
  expect(posted.ok, `${kind} of ${known.service}/${known.settlement}`).toBe(possible)
  if (service) twins.taken.add(`${known.service} ${kind} ${service}`)
  if (settlement) twins.taken.add(`${known.settlement} ${kind} ${settlement}`)
  known.service = service ?? known.service
  known.settlement = settlement ?? known.settlement
}

const moveOf = (known: Known, kind: Kind, wish: Wish): Move => {
  const { call } = known
  const all = moves(call)
  const due = isDue(known) ? aTx(call, ++nonce) : undefined
  switch (kind) {
    case 'stream':
      return all.stream(due)
    case 'bill':
      return all.bill(unitsOf(call.decimals, wish.charged, wish.dust), due, wish.partial)
    case 'settle':
      return all.settle(aTx(call, ++nonce))
    case 'include':
    case 'settled':
      return { type: kind, id: call.id, proof: aProof(wish.block, { logIndex: wish.pick }) }
    default:
      return all[kind]
  }
}

const unitsOf = (decimals: number, micro: number, dust: bigint): bigint =>
  decimals === 6 ? BigInt(micro) : BigInt(micro) * 10n ** 12n + dust

const both = async (twins: Twins, wanted: Move) => {
  twins.next()
  const [one, other] = [await twins.memory.post(wanted), await twins.sqlite.post(wanted)]
  expect(other).toEqual(one)
  return one
}

/** After every step: nothing is wrong in the one ledger, and the other is the same. */
const judge = async (model: Model, twins: Twins): Promise<void> => {
  const facts = { now: 1_700_000_000_000, exposure: LIMITS }
  expect(await checkInvariants(twins.sqlite, facts)).toEqual([])
  const told = await everything(twins.sqlite, twins.sealed)
  expect(await everything(twins.memory, twins.sealed)).toEqual(told)
  expect(told.calls.map((call) => [call.id, call.service.at, call.settlement.at])).toEqual(
    model.calls.map(({ call, service, settlement }) => [call.id, service, settlement]),
  )
}

const everything = async (ledger: Ledger, sealed: boolean) => ({
  calls: await ledger.calls(undefined, 1000),
  open: await ledger.open(),
  balances: Object.fromEntries(
    (await ledger.balances()).map(({ asset, account, value }) => [`${asset} ${account}`, value]),
  ),
  counters: await ledger.counters(),
  transfers: await Promise.all(
    TOKENS.map(({ token }) => ledger.transfers(`eip155:8453/${token}`, 0n, 10_000n)),
  ),
  // With one clock, equal seals of the last lines are equal journals.
  journal: (await ledger.journal(0, 1000)).map(({ move, hash }) => (sealed ? hash : move)),
})

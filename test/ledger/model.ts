import fc from 'fast-check'
import { expect } from 'vitest'
import { toUsd } from '../../src/assets.ts'
import type { Call, Tx } from '../../src/ledger/call.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { ACCOUNT, type Move } from '../../src/ledger/moves.ts'
import { minOf } from '../../src/money.ts'
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
type Known = { call: Call; service: string; settlement: string }

const SERVICE = [
  'claimed dispatch dispatched',
  'claimed stream streaming',
  'dispatched stream streaming',
  'claimed bill served',
  'claimed bill partial',
  'dispatched bill served',
  'dispatched bill partial',
  'streaming bill served',
  'streaming bill partial',
  'claimed release released',
  'dispatched release released',
  'streaming release released',
  'claimed reject rejected',
] as const

const SETTLEMENT = [
  'none settle settling',
  'none stream settling',
  'none bill settling',
  'settling settle settling',
  'settling include included',
  'settling settled settled',
  'included settled settled',
  'included reorg settling',
  'settled reorg settling',
  'settling lose lost',
  'included lose lost',
] as const

/** Every edge of both state machines: from, move, to. */
export const EDGES: readonly string[] = [...SERVICE, ...SETTLEMENT]

const LIMITS = { perPayer: usd(400), total: usd(700) }
const TOKENS = [
  { token: address(0x70c), decimals: 6 },
  { token: address(0x18), decimals: 18 },
] as const
const OPEN = ['claimed', 'dispatched', 'streaming']

/** What a command wants; the call it is about is picked among those there are. */
type Wish = {
  kind: Move['type']
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

/** How often each move is tried, so that no edge is rare. */
const WEIGHTS = {
  claim: 4,
  dispatch: 5,
  stream: 2,
  bill: 4,
  release: 2,
  reject: 1,
  settle: 3,
  include: 5,
  settled: 3,
  reorg: 3,
  lose: 3,
} as const satisfies Record<Move['type'], number>

/** One random thing that happens to one of the calls. */
export const anyCommand = (): fc.Arbitrary<Command> =>
  fc
    .record<Wish>({
      kind: fc.oneof(
        ...Object.entries(WEIGHTS).map(([kind, weight]) => ({
          weight,
          arbitrary: fc.constant(kind as Move['type']),
        })),
      ),
      pick: fc.nat(11),
      payer: fc.nat(1),
      token: fc.nat(1),
      signed: fc.nat(250),
      credit: fc.nat(120),
      dust: fc.bigInt(0n, 10n ** 12n - 1n),
      settleFirst: fc.boolean(),
      reuse: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
      charged: fc.nat(400),
      partial: fc.boolean(),
      block: fc.integer({ min: 1, max: 50 }),
    })
    .map(toCommand)

const toCommand = (wish: Wish): Command => ({
  check: ({ calls }) => wish.kind === 'claim' || (calls.length > 0 && mayAsk(pickOf(calls, wish), wish)),
  run: (model, twins) => (wish.kind === 'claim' ? claim(model, twins, wish) : move(model, twins, wish)),
  toString: () =>
    `${wish.kind} #${wish.pick}${wish.kind === 'claim' ? ` ${wish.signed}+${wish.credit}` : ''}`,
})

const pickOf = (calls: readonly Known[], { pick }: Wish): Known =>
  calls.at(-1 - (pick % Math.min(4, calls.length)))!

// What no caller of the ledger does: settling first what is not to settle first, releasing what was begun and is being paid.
const mayAsk = ({ call, settlement }: Known, { kind }: Wish): boolean => {
  if (call.settleFirst) return true
  if (kind === 'settle') return settlement !== 'none'
  return kind !== 'release' || settlement === 'none'
}

let nonce = 0

const claim = async (model: Model, twins: Twins, wish: Wish): Promise<void> => {
  const { token, decimals } = TOKENS[wish.token]!
  const payer = wish.payer ? BOB : ANN
  const units = (usd: number) => (decimals === 6 ? BigInt(usd) : BigInt(usd) * 10n ** 12n + wish.dust)
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
  await judge(model, twins)
}

const claimOf = ({ calls }: Model, book: string, wish: Wish): string =>
  wish.reuse && calls.length > 0 ? pickOf(calls, wish).call.claim : `${book}:${++nonce}`

const move = async (model: Model, twins: Twins, wish: Wish): Promise<void> => {
  const known = pickOf(model.calls, wish)
  const wanted = moveOf(known, wish)
  const service = next(SERVICE, known.service, wish.kind, wish.partial)
  const settlement = intends(known, wanted)
    ? 'settling'
    : next(SETTLEMENT, known.settlement, settlementMove(known, wish))
  const posted = await both(twins, wanted)
  expect(posted.ok, `${wish.kind} of ${known.service}/${known.settlement}`).toBe(
    Boolean(service ?? settlement),
  )
  if (posted.ok) {
    if (service) twins.taken.add(`${known.service} ${wish.kind} ${service}`)
    if (settlement) twins.taken.add(`${known.settlement} ${wish.kind} ${settlement}`)
    known.service = service ?? known.service
    known.settlement = settlement ?? known.settlement
    expect([posted.call.service.at, posted.call.settlement.at]).toEqual([known.service, known.settlement])
  }
  await judge(model, twins)
}

// A payment is begun by `settle` only while the call is served; by an answer only when it brings the transaction.
const settlementMove = (known: Known, { kind }: Wish): string => {
  if (kind === 'stream' || kind === 'bill') return 'nothing'
  return kind === 'settle' && known.settlement === 'none' && !OPEN.includes(known.service) ? 'nothing' : kind
}

const intends = (known: Known, wanted: Move): boolean =>
  (wanted.type === 'stream' || wanted.type === 'bill') &&
  wanted.tx !== undefined &&
  known.settlement === 'none' &&
  next(SERVICE, known.service, wanted.type) !== undefined

const next = (edges: readonly string[], from: string, kind: string, partial = false): string | undefined => {
  const ends = edges.filter((edge) => edge.startsWith(`${from} ${kind} `)).map((edge) => edge.split(' ')[2]!)
  return ends.length > 1 ? ends.find((end) => (end === 'partial') === partial) : ends[0]
}

const moveOf = ({ call, settlement }: Known, wish: Wish): Move => {
  const all = moves(call)
  const tx = (): Tx => aTx(call, ++nonce)
  const due = call.signed > 0n && !call.settleFirst && settlement === 'none' ? tx() : undefined
  switch (wish.kind) {
    case 'stream':
      return all.stream(due)
    case 'bill': {
      const charged =
        call.decimals === 6 ? BigInt(wish.charged) : BigInt(wish.charged) * 10n ** 12n + wish.dust
      return all.bill(charged, due, wish.partial)
    }
    case 'settle':
      return all.settle(tx())
    case 'include':
    case 'settled':
      return { type: wish.kind, id: call.id, proof: aProof(wish.block, { logIndex: wish.pick }) }
    case 'claim':
      return all.claim(LIMITS)
    default:
      return all[wish.kind]
  }
}

const both = async (twins: Twins, wanted: Move) => {
  twins.next()
  const [one, other] = [await twins.memory.post(wanted), await twins.sqlite.post(wanted)]
  expect(other).toEqual(one)
  return one
}

/** After every step: nothing is wrong in either ledger, and they are the same. */
const judge = async (model: Model, twins: Twins): Promise<void> => {
  const facts = { now: 1_700_000_000_000, exposure: LIMITS }
  expect(await checkInvariants(twins.memory, facts)).toEqual([])
  expect(await checkInvariants(twins.sqlite, facts)).toEqual([])
  const told = await everything(twins.memory, twins.sealed)
  expect(await everything(twins.sqlite, twins.sealed)).toEqual(told)
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

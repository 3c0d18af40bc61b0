import fc from 'fast-check'
import { expect } from 'vitest'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import type { Move, Payable } from '../../src/ledger/moves.ts'
import { chargeOf, type Known, stepOf } from './edges.ts'
import { keyOf } from './errands.ts'
import { aProof, aTx, moves, payments } from './fixtures.ts'
import { CHANNELS, LIMITS, newCall, newErrand, TOKENS, unitsOf, unused, type Wish } from './model-new.ts'

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

/** What we think the calls and errands are, told by the tables and by nothing of the ledger. */
export type Model = { known: Known[] }

type Command = fc.AsyncCommand<Model, Twins>

const OF_CALLS = ['dispatch', 'stream', 'bill', 'release', 'reject', 'refund', 'due'] as const
const OF_ALL = ['settle', 'include', 'settled', 'reorg', 'lose', 'found'] as const
type Kind = (typeof OF_CALLS)[number] | (typeof OF_ALL)[number]

/** One random thing that happens to one of the calls or errands. */
export const anyCommand = (): fc.Arbitrary<Command> =>
  fc
    .record<Wish>({
      claim: oneIn(6),
      order: oneIn(10),
      choice: fc.nat(839),
      wild: oneIn(8),
      pick: fc.nat(11),
      payer: fc.nat(2),
      token: fc.nat(1),
      kind: fc.nat(3),
      signed: fc.nat(250),
      credit: fc.nat(120),
      dust: fc.bigInt(0n, 10n ** 12n - 1n),
      settleFirst: fc.boolean(),
      reuse: oneIn(10),
      charged: fc.nat(400),
      partial: fc.boolean(),
      later: fc.boolean(),
      block: fc.integer({ min: 1, max: 50 }),
    })
    .map(toCommand)

const oneIn = (n: number) => fc.integer({ min: 1, max: n }).map((drawn) => drawn === n)

const toCommand = (wish: Wish): Command => {
  let did = 'nothing'
  return {
    check: () => true,
    run: async (model, twins) => {
      const { known } = model
      const first = wish.claim || known.length === 0
      const move = first
        ? await newCall(known, twins.memory, wish)
        : wish.order
          ? await newErrand(twins.memory, wish)
          : moveOf(known, kindOf(pickOf(known, wish), wish), wish)
      did = `${move.type} ${'id' in move ? move.id : ''}`
      if (move.type === 'claim' || move.type === 'order') await begin(model, twins, move)
      else await step(model, twins, move)
      await judge(model, twins)
    },
    toString: () => did,
  }
}

const pickOf = (known: readonly Known[], { pick }: Wish): Known =>
  known.at(-1 - (pick % Math.min(4, known.length)))!

const kindOf = (one: Known, wish: Wish): Kind => {
  const kinds: readonly Kind[] = one.item.is === 'call' ? [...OF_CALLS, ...OF_ALL] : OF_ALL
  const asked = kinds.filter((kind) => mayAsk(one, kind))
  const possible = asked.filter((kind) => {
    const { service, settlement } = stepOf(one, moveOf([one], kind, wish))
    return service ?? settlement
  })
  const from = wish.wild || possible.length === 0 ? asked : possible
  return from[wish.choice % from.length]!
}

// What no caller of the ledger does: settling first what is not to settle first, releasing what was begun and is being paid.
const mayAsk = ({ item, settlement }: Known, kind: Kind): boolean => {
  if (item.is === 'errand' || item.settleFirst) return true
  if (kind === 'settle' || kind === 'due') return settlement !== 'none'
  return kind !== 'release' || settlement === 'none'
}

const begin = async (
  model: Model,
  twins: Twins,
  move: Extract<Move, { type: 'claim' | 'order' }>,
): Promise<void> => {
  const item: Payable = move.type === 'claim' ? move.call : move.errand
  const posted = await both(twins, move)
  const taken = item.claim !== undefined && model.known.some((one) => one.item.claim === item.claim)
  if (taken) expect(posted).toMatchObject({ ok: false, why: 'claimed' })
  if (!posted.ok) return
  const service = item.is === 'call' ? 'claimed' : ''
  model.known.push({ item, service, settlement: item.settlement.at, charged: 0n, refunded: false })
}

const step = async (model: Model, twins: Twins, move: Move): Promise<void> => {
  const ids = move.type === 'settle' ? move.ids : 'id' in move ? [move.id] : []
  const about = ids.map((id) => model.known.find((one) => one.item.id === id)!)
  const steps = about.map((one) => stepOf(one, move))
  const posted = await both(twins, move)
  const possible = steps.every(({ service, settlement }) => service ?? settlement)
  const states = about.map((one) => `${one.item.is} ${one.service}/${one.settlement}`)
  expect(posted.ok, `${move.type} of ${states}`).toBe(possible)
  if (possible) for (const [i, one] of about.entries()) take(one, move, steps[i]!, twins.taken)
}

const take = (
  one: Known,
  move: Move,
  { service, settlement }: ReturnType<typeof stepOf>,
  taken: Set<string>,
): void => {
  if (service) taken.add(`${one.service} ${move.type} ${service}`)
  if (settlement) taken.add(`${one.settlement} ${move.type} ${settlement}`)
  one.service = service ?? one.service
  // Whether a payment stood behind the charge is known with the bill, and also when nothing of it is to be moved.
  const paid = one.settlement !== 'none' || (move.type === 'bill' && Boolean(move.tx ?? move.due))
  one.settlement = settlement ?? one.settlement
  if (move.type === 'refund') one.refunded = true
  if (move.type === 'bill' && one.item.is === 'call')
    one.charged = chargeOf(one.item, move.bill.charged, paid)
}

const moveOf = (known: readonly Known[], kind: Kind, wish: Wish): Move => {
  const one = pickOf(known, wish)
  const { item, settlement } = one
  const proof = aProof(wish.block, { logIndex: wish.pick })
  const lives = payments(item)
  if (kind === 'settle') {
    const more = wish.partial ? known.filter((other) => other !== one && isOnItsWay(other)) : []
    return lives.settle(aTx([item, ...more.slice(-2).map((other) => other.item)], unused()))
  }
  if (kind === 'include' || kind === 'found') return { type: kind, id: item.id, proof }
  if (kind === 'settled') {
    const claims = item.is === 'errand' && item.task.kind === 'claim' && wish.later
    return { type: kind, id: item.id, proof, ...(claims && { moved: BigInt(wish.charged) }) }
  }
  if (kind === 'reorg' || kind === 'lose' || item.is === 'errand') return lives[kind as 'reorg' | 'lose']
  const all = moves(item)
  if (kind !== 'stream' && kind !== 'bill') return all[kind]
  const begins =
    item.signed > 0n && !item.settleFirst && settlement === 'none' && (wish.wild || item.kind !== 'voucher')
  // Of an upto nothing is sent before it is known that something is to move.
  const ready = begins && (wish.wild || item.kind !== 'upto' || kind === 'bill')
  const later = wish.later || item.kind === 'upto'
  const way = { ...(ready && !later && { tx: aTx(item, unused()) }), ...(ready && later && { due: true }) }
  const bill = all.bill(unitsOf(item.decimals, wish.charged, wish.dust), undefined, wish.partial)
  return { ...(kind === 'bill' ? bill : all.stream()), ...way } as Move
}

const isOnItsWay = ({ settlement }: Known): boolean => settlement === 'due' || settlement === 'settling'

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
  const states = told.subjects.flatMap((one) =>
    one.is === 'channel' ? [] : [[one.id, one.is === 'call' ? one.service.at : '', one.settlement.at]],
  )
  expect(states).toEqual(model.known.map(({ item, service, settlement }) => [item.id, service, settlement]))
}

const everything = async (ledger: Ledger, sealed: boolean) => {
  const books = TOKENS.map(({ token }) => `eip155:8453/${token}`)
  return {
    calls: await ledger.calls(undefined, 1000),
    recent: await ledger.recent({ limit: 1000 }),
    subjects: await ledger.subjects(undefined, 1000),
    open: await ledger.open(),
    errands: await ledger.openErrands(),
    channels: await ledger.openChannels(),
    balances: Object.fromEntries(
      (await ledger.balances()).map(({ asset, account, value }) => [`${asset} ${account}`, value]),
    ),
    counters: await ledger.counters(),
    transfers: await Promise.all(books.map((book) => ledger.transfers(book, 0n, 10_000n))),
    // With one clock, equal seals of the last lines are equal journals.
    journal: (await ledger.journal(0, 1000)).map(({ move, hash }) => (sealed ? hash : move)),
  }
}

/** What is asked by one name: the same of both at the end. */
export const sameByName = async ({ memory, sqlite }: Omit<Twins, 'taken'>): Promise<void> => {
  const ask = async (ledger: Ledger) => {
    const told: unknown[] = []
    for (const { id } of await memory.subjects(undefined, 1000)) {
      const one = (await ledger.call(id)) ?? (await ledger.errand(id)) ?? (await ledger.channel(id))
      const claim = one?.is === 'channel' ? undefined : one?.claim
      const key = one?.is === 'call' ? one.key : undefined
      told.push(one, await ledger.transactions(id))
      if (claim !== undefined) told.push(await ledger.claimant(claim), await ledger.callByClaim(claim))
      if (key !== undefined) told.push(await ledger.callByKey(key))
    }
    for (const n of CHANNELS) told.push(await ledger.channel(keyOf(n)))
    for (const { asset, account, value } of await memory.balances()) {
      told.push(await ledger.balance(asset, account))
      expect(told.at(-1)).toBe(value)
    }
    for (const name of Object.keys(await memory.counters())) told.push(await ledger.counter(name))
    const tx = aTx([], 0)
    told.push(await ledger.sent(tx.chain, tx.settler, 0, 1000), await ledger.lastNonce(tx.chain, tx.settler))
    return told
  }
  expect(await ask(sqlite)).toEqual(await ask(memory))
}

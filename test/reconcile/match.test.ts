import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Hex } from '../../src/assets.ts'
import type { TransferLog } from '../../src/chain/chain.ts'
import type { Call } from '../../src/ledger/call.ts'
import type { BookedTransfer } from '../../src/ledger/ledger.ts'
import {
  type Finding,
  KINDS,
  type Kind,
  type MatchFacts,
  match,
  type Use,
  unexplained,
} from '../../src/reconcile/match.ts'
import { BATCH_SETTLEMENT } from '../../src/wire/contracts.ts'
import { ANN, aCall, aProof, BOB, BOOK, PAY_TO, word } from '../ledger/fixtures.ts'

const OLD_PAY_TO: Hex = `0x${'0'.repeat(37)}01d`
const ours = new Set<Hex>([PAY_TO, OLD_PAY_TO])

const aLog = (change: Partial<TransferLog> = {}): TransferLog => ({
  hash: word(1),
  block: 10n,
  blockHash: word(70),
  logIndex: 1,
  from: ANN,
  to: PAY_TO,
  amount: 100n,
  ...change,
})

const aRow = (change: Partial<BookedTransfer> = {}): BookedTransfer => ({
  ...aProof(1, { block: 10n }),
  call: 'call_1',
  asset: BOOK,
  payer: ANN,
  payTo: PAY_TO,
  amount: 100n,
  what: 'payment',
  ...change,
})

const aUse = (change: Partial<Call> = {}, hash = word(1), ours = false): Use => {
  const call: Call = { ...aCall({ payTo: PAY_TO, ...change }), is: 'call', kind: change.kind ?? 'eip3009' }
  return { hash, payer: call.payer, payTo: call.payTo, claim: call.claim, ours, call }
}
/** An authorization that no call of ours has. */
const aStrangeUse = (ours: boolean): Use => ({ ...aUse({}, word(1), ours), call: undefined })
const SETTLER: Hex = `0x${'0'.repeat(37)}5e7`
const none: Omit<MatchFacts, 'asset' | 'ours'> = {
  floats: new Set([SETTLER]),
  rows: [],
  logs: [],
  uses: [],
  flying: new Map(),
}
const judged = (facts: Partial<MatchFacts>): Finding[] => match({ asset: BOOK, ours, ...none, ...facts })
const kinds = (facts: Partial<MatchFacts>): Kind[] => judged(facts).map((finding) => finding.kind)

const released = { service: { at: 'released', why: 'x' } } as const
const lost = { settlement: { at: 'lost', why: 'x' } } as const
const settling = { settlement: { at: 'settling', hash: word(1) } } as const
const settledAt = (block: number) => ({ settlement: { at: 'settled', proof: aProof(block) } }) as const

const cases: [title: string, facts: Partial<MatchFacts>, expected: Kind[]][] = [
  ['nothing on either side', {}, []],
  ['a transfer that both have', { rows: [aRow()], logs: [aLog()] }, ['matched']],
  ['a booked transfer that the chain does not show', { rows: [aRow()] }, ['missing_on_chain']],
  ['less on the chain than booked', { rows: [aRow()], logs: [aLog({ amount: 99n })] }, ['short']],
  ['more on the chain than booked', { rows: [aRow()], logs: [aLog({ amount: 101n })] }, ['over']],
  [
    'the right sum in another log of the transaction',
    { rows: [aRow()], logs: [aLog({ logIndex: 2 })] },
    ['missing_on_chain', 'unsolicited'],
  ],
  [
    'the right sum in another transaction',
    { rows: [aRow()], logs: [aLog({ hash: word(2) })] },
    ['unsolicited', 'missing_on_chain'],
  ],
  [
    'the right place, paid by somebody else',
    { rows: [aRow()], logs: [aLog({ from: BOB })] },
    ['unsolicited', 'missing_on_chain'],
  ],
  [
    'the right place, paid to an older address of ours',
    { rows: [aRow({ payTo: OLD_PAY_TO })], logs: [aLog({ to: OLD_PAY_TO })] },
    ['matched'],
  ],
  [
    'one transfer that two calls were booked for',
    { rows: [aRow(), aRow({ call: 'call_2' })], logs: [aLog()] },
    ['matched', 'missing_on_chain'],
  ],
  [
    'two transfers in one transaction',
    { rows: [aRow(), aRow({ call: 'call_2', logIndex: 3 })], logs: [aLog(), aLog({ logIndex: 3 })] },
    ['matched', 'matched'],
  ],
  ['money from nobody we know', { logs: [aLog({ from: BOB })] }, ['unsolicited']],
  ['money that we sent', { logs: [aLog({ from: PAY_TO, to: BOB })] }, ['outflow']],
  ['money moved between our addresses', { logs: [aLog({ from: OLD_PAY_TO, to: PAY_TO })] }, ['internal']],
  ['money for the settler, from us', { logs: [aLog({ from: PAY_TO, to: SETTLER })] }, ['outflow']],
  ['money for the settler, from its owner', { logs: [aLog({ to: SETTLER })] }, ['funding']],
  ['money of the settler that is no payout', { logs: [aLog({ from: SETTLER, to: BOB })] }, ['defunding']],
  ['money that the settler sent to us', { logs: [aLog({ from: SETTLER })] }, ['defunding']],
  [
    'money out of the channels that we did not fetch',
    { logs: [aLog({ from: BATCH_SETTLEMENT })] },
    ['sweep'],
  ],
  [
    'a payout that is booked',
    {
      rows: [aRow({ payer: SETTLER, payTo: BOB, what: 'payout' })],
      logs: [aLog({ from: SETTLER, to: BOB })],
    },
    ['matched'],
  ],
  [
    'a payout on its way',
    { logs: [aLog({ from: SETTLER, to: BOB })], flying: new Map([[word(1), 'errand_1']]) },
    ['in_flight'],
  ],
  ['money that nobody asked for, booked', { rows: [aRow({ what: 'inflow' })], logs: [aLog()] }, ['suspense']],
  [
    'a payment that our settler sent and no call is known for',
    { logs: [aLog()], uses: [aStrangeUse(true)] },
    ['missing_in_ledger'],
  ],
  ['the same, sent by somebody else', { logs: [aLog()], uses: [aStrangeUse(false)] }, ['unsolicited']],
  ['a payment of a call that is being served', { logs: [aLog()], uses: [aUse({})] }, ['in_flight']],
  [
    'a transfer of nothing in our name',
    { logs: [aLog({ from: PAY_TO, to: BOB, amount: 0n }), aLog({ amount: 0n })] },
    [],
  ],
  [
    'an authorization of a released call, submitted by somebody',
    { logs: [aLog()], uses: [aUse(released)] },
    ['missing_in_ledger'],
  ],
  ['a payment given up as lost, that arrived', { logs: [aLog()], uses: [aUse(lost)] }, ['missing_in_ledger']],
  ['a payment that waits for its confirmations', { logs: [aLog()], uses: [aUse(settling)] }, ['in_flight']],
  ['a payment booked while we looked', { logs: [aLog()], uses: [aUse(settledAt(1))] }, ['matched']],
  [
    'a payment booked at another place',
    { rows: [aRow({ hash: word(5) })], logs: [aLog()], uses: [aUse(settledAt(5))] },
    ['missing_in_ledger', 'missing_on_chain'],
  ],
  [
    'a use by somebody else in the same transaction',
    { logs: [aLog()], uses: [aUse({ payer: BOB })] },
    ['unsolicited'],
  ],
  ['a use in another transaction', { logs: [aLog()], uses: [aUse({}, word(2))] }, ['unsolicited']],
  [
    'a token that delivered less than was signed',
    { logs: [aLog({ amount: 99n })], uses: [aUse()] },
    ['short'],
  ],
  [
    'one use and two transfers of its sum',
    { logs: [aLog(), aLog({ logIndex: 2 })], uses: [aUse(released)] },
    ['missing_in_ledger', 'unsolicited'],
  ],
]

test.each(cases)('%s', (_, facts, expected) => {
  expect(kinds(facts)).toEqual(expected)
})

test('of two authorizations of one payer in one transaction each transfer gets that of its sum', () => {
  const [small, large] = [aUse({ signed: 5n }), aUse({ signed: 7n })]
  const logs = [aLog({ amount: 7n }), aLog({ logIndex: 2, amount: 5n })]
  const found = judged({ logs, uses: [small, large] })
  expect(found.map(({ chain, call }) => [chain, call])).toEqual([
    ['7', large.call!.id],
    ['5', small.call!.id],
  ])
})

test('a finding says where, who and how much on both sides', () => {
  expect(judged({ rows: [aRow()], logs: [aLog({ amount: 99n })] })).toEqual([
    {
      kind: 'short',
      what: 'payment',
      asset: BOOK,
      hash: word(1),
      logIndex: 1,
      block: '10',
      from: ANN,
      to: PAY_TO,
      chain: '99',
      ledger: '100',
      call: 'call_1',
    },
  ])
})

test('only what no row explains is looked up', () => {
  const [known, strange] = [aLog(), aLog({ hash: word(2) })]
  const sent = aLog({ hash: word(3), from: PAY_TO, to: BOB })
  expect(unexplained({ ours, floats: new Set(), rows: [aRow()], logs: [known, strange, sent] })).toEqual([
    strange,
  ])
})

test('every transfer and every row is told of once, in the order of the chain, and no unit is lost', () => {
  const place = fc.record({ hash: fc.integer({ min: 1, max: 4 }).map(word), logIndex: fc.nat(3) })
  const amount = fc.bigInt(1n, 3n)
  const log = fc
    .record({ place, amount, block: fc.bigInt(1n, 4n), from: fc.constantFrom(ANN, BOB, PAY_TO) })
    .map(({ place, ...rest }) => aLog({ ...place, ...rest }))
  const row = fc
    .record({ place, amount, block: fc.bigInt(1n, 4n), payer: fc.constantFrom(ANN, BOB) })
    .map(({ place, ...rest }) => aRow({ ...place, ...rest }))
  const use = fc
    .record({
      hash: fc.integer({ min: 1, max: 4 }).map(word),
      signed: amount,
      payer: fc.constantFrom(ANN, BOB),
    })
    .map(({ hash, ...change }) => aUse(change, hash))
  const logs = fc.uniqueArray(log, { maxLength: 8, selector: ({ hash, logIndex }) => `${hash} ${logIndex}` })
  fc.assert(
    fc.property(
      logs,
      fc.array(row, { maxLength: 8 }),
      fc.array(use, { maxLength: 6 }),
      (logs, rows, uses) => {
        const found = judged({ logs, rows, uses })
        const onChain = found.filter((finding) => finding.chain !== null)
        expect(onChain.map(({ hash, logIndex }) => `${hash} ${logIndex}`).toSorted()).toEqual(
          logs.map(({ hash, logIndex }) => `${hash} ${logIndex}`).toSorted(),
        )
        const sum = (amounts: bigint[]) => amounts.reduce((total, one) => total + one, 0n)
        expect(sum(onChain.map((finding) => BigInt(finding.chain!)))).toBe(sum(logs.map((one) => one.amount)))
        const booked = found.filter(({ kind, call }) => kind === 'missing_on_chain' || call === 'call_1')
        expect(booked).toHaveLength(rows.length)
        const blocks = found.map((finding) => Number(finding.block))
        expect(blocks).toEqual(blocks.toSorted((a, b) => a - b))
        expect(
          found.filter(({ kind }) => kind === 'matched').every(({ chain, ledger }) => chain === ledger),
        ).toBe(true)
      },
    ),
  )
})

test('every kind says what it means and whether it agrees', () => {
  const agreeing = (Object.keys(KINDS) as Kind[]).filter((kind) => KINDS[kind].agrees)
  expect(agreeing).toEqual(['matched', 'late', 'suspense', 'in_flight', 'internal'])
})

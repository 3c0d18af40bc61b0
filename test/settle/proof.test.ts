import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { TokenEvent } from '../../src/chain/chain.ts'
import type { Call } from '../../src/ledger/call.ts'
import type { Payable } from '../../src/ledger/moves.ts'
import { type JudgeFacts, judge } from '../../src/settle/proof.ts'
import { aCall, aPayout, aTx, inBlock, moved, used } from './a-job.ts'

const call = aCall(1)
const { hash } = aTx(call)
const judged = (item: Payable, logs: TokenEvent[], more: Partial<JudgeFacts> = {}, ok = true) =>
  judge(item, { inclusion: inBlock(hash, 5n, logs, ok), gas: 9n, company: [item], ...more })
const verdict = (logs: TokenEvent[], ok = true) => judged(call, logs, {}, ok)
const unpaid = { paid: false }

test('paid means: the authorization was used, and the signed amount moved to us', () => {
  expect(verdict([used(call, 3), moved(call, 4)])).toEqual({
    paid: true,
    proof: { hash, block: 5n, blockHash: inBlock(hash, 5n, []).blockHash, logIndex: 4, gas: 9n },
  })
})

const OTHER = '0x00000000000000000000000000000000000000ff'
const transfer = moved(call, 4)
test.each<[string, TokenEvent[], boolean?]>([
  ['the transaction reverted', [used(call, 3), transfer], false],
  ['a token reports success and moves nothing', []],
  ['the authorization was used and nothing moved', [used(call, 3)]],
  ['the amount moved by itself, without this authorization', [transfer]],
  ['another authorization of the payer was used', [used(aCall(2), 3), transfer]],
  [
    'the authorization of another payer with the same nonce was used',
    [used({ ...call, payer: OTHER }, 3), transfer],
  ],
  ['another token logged the use', [used({ ...call, token: OTHER }, 3), transfer]],
  [
    'another token moved',
    [
      used(call, 3),
      { ...transfer, kind: 'transfer', token: OTHER, from: call.payer, to: call.payTo, amount: 1_000n },
    ],
  ],
  ['less moved than was signed (a token with a fee)', [used(call, 3), moved({ ...call, signed: 990n }, 4)]],
  ['more moved than was signed', [used(call, 3), moved({ ...call, signed: 1_001n }, 4)]],
  ['it moved to somebody else', [used(call, 3), moved({ ...call, payTo: OTHER }, 4)]],
  ['somebody else’s money moved', [used(call, 3), moved({ ...call, payer: OTHER }, 4)]],
  ['the transfer came before the use', [transfer, used(call, 5)]],
])('not paid: %s', (_, logs, ok = true) => {
  expect(verdict(logs, ok)).toEqual(unpaid)
})

test('two equal payments in one transaction are proven by their own transfers', () => {
  const twin = aCall(2)
  const both = [used(call, 0), moved(call, 1), used(twin, 2), moved(twin, 3)]
  expect(judged(call, both)).toMatchObject({ proof: { logIndex: 1 } })
  expect(judged(twin, both)).toMatchObject({ proof: { logIndex: 3 } })
  const one = [used(call, 0), used(twin, 2), moved(twin, 3)]
  expect(judged(call, one)).toEqual(unpaid)
  expect(judged(twin, one)).toMatchObject({ paid: true })
})

test('in a batch of any size, as many payments are proven as transfers were made, each by another transfer', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 30 }), (works) => {
      const calls = works.map((_, i) => aCall(i + 1))
      const logs = calls.flatMap((one, i) =>
        works[i] ? [used(one, 2 * i), moved(one, 2 * i + 1)] : [used(one, 2 * i)],
      )
      const verdicts = calls.map((one) => judged(one, logs, { company: calls }))
      expect(verdicts.map((one) => one !== 'unsure' && one.paid)).toEqual(works)
      const proofs = verdicts.flatMap((one) => (one !== 'unsure' && one.paid ? [one.proof.logIndex] : []))
      expect(new Set(proofs).size).toBe(works.filter(Boolean).length)
    }),
  )
})

const byPermit = (n: number, change: Partial<Call> = {}) => aCall(n, { kind: 'permit2', ...change })

test('payments by Permit2 in one batch share what they moved, each transfer once', () => {
  const company = [byPermit(1), byPermit(2), byPermit(3, { signed: 7n })]
  const logs = [moved(company[0]!, 1), moved(company[1]!, 3), moved(company[2]!, 5)]
  const proofs = company.map((one) => judged(one, logs, { company }))
  expect(proofs).toMatchObject([1, 3, 5].map((logIndex) => ({ paid: true, proof: { logIndex } })))
})

test('of equal payments by Permit2 of which one was not made, the unused nonce says which', () => {
  const company = [byPermit(1), byPermit(2), byPermit(3)]
  const logs = [moved(company[0]!, 1), moved(company[2]!, 5)]
  expect(company.map((one) => judged(one, logs, { company }))).toEqual(['unsure', 'unsure', 'unsure'])
  const unused = new Set(['call_2'])
  expect(company.map((one) => judged(one, logs, { company, unused }))).toMatchObject([
    { proof: { logIndex: 1 } },
    unpaid,
    { proof: { logIndex: 5 } },
  ])
})

test('where a cancelled nonce looks used too, as many are paid as transfers were made', () => {
  const company = [byPermit(1), byPermit(2)]
  const unused = new Set<string>()
  const verdicts = company.map((one) => judged(one, [moved(one, 1)], { company, unused }))
  expect(verdicts).toMatchObject([{ paid: true, proof: { logIndex: 1 } }, unpaid])
})

test('a transfer that proves another payment already proves nothing more', () => {
  const one = byPermit(1)
  expect(judged(one, [moved(one, 1)], { taken: new Set([1]) })).toEqual(unpaid)
  expect(judged(one, [moved(one, 1), moved(one, 2)], { taken: new Set([1]) })).toMatchObject({
    proof: { logIndex: 2 },
  })
})

test('a member of the batch that is proven already does not take a transfer from the others', () => {
  const settled = inBlock(hash, 5n, [])
  const proof = { hash, block: 5n, blockHash: settled.blockHash, logIndex: 1, gas: 0n }
  const company = [byPermit(1, { settlement: { at: 'settled', proof } }), byPermit(2)]
  const logs = [moved(company[0]!, 1), moved(company[1]!, 3)]
  expect(judged(company[1]!, logs, { company, taken: new Set([1]) })).toMatchObject({
    proof: { logIndex: 3 },
  })
})

test('the transfer of an EIP-3009 payment is not that of a Permit2 payment of the same sum', () => {
  const [plain, permit] = [aCall(1), byPermit(2)]
  const logs = [used(plain, 0), moved(plain, 1)]
  expect(judged(permit, logs, { company: [plain, permit] })).toEqual(unpaid)
})

test('an `upto` is proven by what was charged, not by what was signed', () => {
  const bill = { charged: 400n, usage: { input: 1, cached: 0, output: 1, source: 'reported' } } as const
  const rest = { model: 'm', provider: 'p', responseDigest: '0x', at: 0 } as const
  const upto = aCall(1, { kind: 'upto', service: { at: 'served', bill: { ...bill, ...rest } } })
  expect(judged(upto, [moved(upto, 1)])).toEqual(unpaid)
  expect(judged(upto, [moved({ ...upto, signed: 400n }, 1)])).toMatchObject({ paid: true })
})

test('two payouts of the same sum in one batch are proven by a transfer each', () => {
  const company = [aPayout(1), aPayout(2)]
  const [first, second] = company.map((one) => judged(one, [moved(one, 1)], { company, unused: new Set() }))
  expect([first, second]).toMatchObject([{ proof: { logIndex: 1 } }, unpaid])
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { TokenEvent } from '../../src/chain/chain.ts'
import { judge } from '../../src/payment/proof.ts'
import { aCall, aTx, inBlock, moved, used } from './a-job.ts'

const call = aCall(1)
const { hash } = aTx(call)
const verdict = (logs: TokenEvent[], ok = true) => judge(call, inBlock(hash, 5n, logs, ok), 9n)
const unpaid = { paid: false }

test('paid means: the authorization was used, and the signed amount moved to us', () => {
  const { paid, ...rest } = verdict([used(call, 3), moved(call, 4)])
  expect(paid).toBe(true)
  expect(rest).toEqual({
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
  const both = inBlock(hash, 5n, [used(call, 0), moved(call, 1), used(twin, 2), moved(twin, 3)])
  expect(judge(call, both, 0n)).toMatchObject({ proof: { logIndex: 1 } })
  expect(judge(twin, both, 0n)).toMatchObject({ proof: { logIndex: 3 } })
  const one = inBlock(hash, 5n, [used(call, 0), used(twin, 2), moved(twin, 3)])
  expect(judge(call, one, 0n)).toEqual(unpaid)
  expect(judge(twin, one, 0n)).toMatchObject({ paid: true })
})

test('in a batch of any size, as many payments are proven as transfers were made, each by another transfer', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 30 }), (works) => {
      const calls = works.map((_, i) => aCall(i + 1))
      const logs = calls.flatMap((one, i) =>
        works[i] ? [used(one, 2 * i), moved(one, 2 * i + 1)] : [used(one, 2 * i)],
      )
      const verdicts = calls.map((one) => judge(one, inBlock(hash, 5n, logs), 0n))
      expect(verdicts.map((one) => one.paid)).toEqual(works)
      const proofs = verdicts.flatMap((one) => (one.paid ? [one.proof.logIndex] : []))
      expect(new Set(proofs).size).toBe(works.filter(Boolean).length)
    }),
  )
})

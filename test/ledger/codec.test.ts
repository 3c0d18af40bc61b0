import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decode, encode } from '../../src/ledger/codec.ts'
import { aCall, aTx, moves } from './fixtures.ts'

const units = fc.bigInt(0n, 2n ** 256n - 1n)
const text = fc.string({ unit: 'binary', maxLength: 20 })

const call = fc
  .record({
    signed: units,
    credit: units,
    ceiling: units,
    validBefore: units,
    pending: units,
    asked: text,
    quoteId: text,
  })
  .map((change) => aCall(change))

const line = fc
  .record({ call, why: text, gas: units, amount: units, account: text, at: fc.nat() })
  .map(({ call, why, gas, amount, account, at }) => ({
    at,
    moves: [
      moves(call).claim(),
      moves(call).bill(gas, aTx(call, 1)),
      { type: 'lose', id: call.id, why, gas },
    ],
    // `credit` is an account here and units in a call.
    postings: [{ asset: 'eip155:1/0x1', debit: 'revenue', credit: `credit:${account}`, amount }],
  }))

test('what is written to a ledger file reads back the same, and is written the same again', () => {
  fc.assert(
    fc.property(line, (one) => {
      const written = encode(one)
      expect(decode(written)).toEqual(one)
      expect(encode(decode(written))).toBe(written)
    }),
  )
})

test('an account named like a field of a call stays a name', () => {
  const postings = [{ asset: 'a', debit: 'revenue', credit: 'revenue', amount: 5n }]
  expect(decode(encode({ postings }))).toEqual({ postings })
})

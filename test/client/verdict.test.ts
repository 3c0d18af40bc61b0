import { expect, test } from 'vitest'
import { codeOf, isCurable, verdictOf } from '../../src/client/verdict.ts'
import { type Code, REFUSALS } from '../../src/errors.ts'

const codes = Object.keys(REFUSALS) as Code[]
const verdict = (code: Code, first: boolean) => verdictOf({ status: REFUSALS[code].status, code, first })

test('every refusal that says nothing was charged frees the money', () => {
  const saysSo = codes.filter((code) =>
    /Nothing was charged and this authorization will never/.test(REFUSALS[code].hint),
  )
  expect(saysSo.filter((code) => verdict(code, true) !== 'dead' || verdict(code, false) !== 'dead')).toEqual(
    [],
  )
})

test('no refusal that tells the payer not to sign again lets it sign again', () => {
  const warned = codes.filter((code) => /[Dd]o not sign again/.test(REFUSALS[code].hint))
  expect(warned).toContain('payment_in_flight')
  expect(warned.filter((code) => verdict(code, true) === 'dead' || isCurable(code))).toEqual([])
})

test('an expired quote frees the money of a first showing, and proves nothing about an earlier one', () => {
  expect(verdict('quote_expired', true)).toBe('dead')
  expect(verdict('quote_expired', false)).toBe('open')
  expect(verdict('payment_expired', false)).toBe('open')
})

test.each([
  [200, 'served'],
  [202, 'served'],
  [302, 'open'],
  [402, 'open'],
  [403, 'open'],
  [409, 'again'],
  [429, 'again'],
  [500, 'again'],
  [503, 'again'],
] as const)('status %i without a word that we know is judged %s', (status, expected) => {
  expect(verdictOf({ status, code: undefined, first: true })).toBe(expected)
})

test('a code counts only with the status it belongs to', () => {
  expect(codeOf(402, { error: { code: 'quote_expired' } })).toBe('quote_expired')
  expect(codeOf(500, { error: { code: 'quote_expired' } })).toBeUndefined()
  expect(codeOf(402, { error: { code: 'toString' } })).toBeUndefined()
  expect(codeOf(402, { error: { code: 7 } })).toBeUndefined()
  expect(codeOf(402, null)).toBeUndefined()
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { csvLine } from '../../src/csv.ts'
import { decimalOf } from '../../src/reconcile/statement.ts'

test('amounts are exact decimals', () => {
  expect(decimalOf(-1_050_000n, 6)).toBe('-1.050000')
  expect(decimalOf(7n, 6)).toBe('0.000007')
  expect(decimalOf(12n, 0)).toBe('12')
  fc.assert(
    fc.property(fc.bigInt(-(2n ** 128n), 2n ** 128n), fc.nat(36), (units, decimals) => {
      expect(BigInt(decimalOf(units, decimals).replace('.', ''))).toBe(units)
    }),
  )
})

test('no field of a CSV is run by a spreadsheet, and numbers stay numbers', () => {
  expect(csvLine([{ number: '-1.05' }])).toBe('-1.05')
  expect(csvLine(['=1+1'])).toBe("'=1+1")
  expect(csvLine(['-1+cmd|x'])).toBe("'-1+cmd|x")
  expect(csvLine(['@a,"b"'])).toBe(`"'@a,""b"""`)
  fc.assert(
    fc.property(fc.string(), (text) => {
      const field = csvLine([text])
      expect(/^"?[=+@\t\r]/.test(field) && !/^"?'/.test(field)).toBe(false)
    }),
  )
})

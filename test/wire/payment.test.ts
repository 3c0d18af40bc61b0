import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Refusal } from '../../src/errors.ts'
import { encodeHeaderJson } from '../../src/wire/json.ts'
import { type Payment, readPayment } from '../../src/wire/payment.ts'

const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n
const signature = (s = 1n, v = '1b') => `0x${'ab'.repeat(32)}${s.toString(16).padStart(64, '0')}${v}`
const authorization = {
  from: `0x${'aB'.repeat(20)}`,
  to: `0x${'11'.repeat(20)}`,
  value: '1000',
  validAfter: '0',
  validBefore: '2000000000',
  nonce: `0x${'Cd'.repeat(32)}`,
}
const accepted = {
  scheme: 'exact',
  network: 'eip155:84532',
  amount: '1000',
  asset: `0x${'22'.repeat(20)}`,
  payTo: `0x${'11'.repeat(20)}`,
  maxTimeoutSeconds: 300,
  extra: { name: 'USD Coin', version: '2', quote: 'v1.a.b.c' },
}
const v2 = { x402Version: 2, accepted, payload: { signature: signature(), authorization } }
const v1 = {
  x402Version: 1,
  scheme: 'exact',
  network: 'base-sepolia',
  payload: { signature: signature(), authorization },
}

const read = (v2Payload: unknown, v1Payload?: unknown): Payment | string | undefined => {
  try {
    return readPayment(
      v2Payload === undefined ? undefined : encodeHeaderJson(v2Payload),
      v1Payload === undefined ? undefined : encodeHeaderJson(v1Payload),
    )
  } catch (error) {
    if (error instanceof Refusal) return error.code
    throw error
  }
}
const signed = (change: Record<string, unknown>) => ({
  ...v2,
  payload: { ...v2.payload, authorization: { ...authorization, ...change } },
})

test('no header is no payment, and two are a conflict', () => {
  expect(read(undefined)).toBeUndefined()
  expect(read(v2, v1)).toBe('payment_headers_conflict')
})

test('both versions read to the same canonical authorization', () => {
  const canonical = {
    kind: 'eip3009',
    from: authorization.from.toLowerCase(),
    to: authorization.to,
    value: 1000n,
    validAfter: 0n,
    validBefore: 2_000_000_000n,
    nonce: authorization.nonce.toLowerCase(),
    signature: signature(),
  }
  expect(read(v2)).toEqual({
    version: 2,
    accepted: expect.objectContaining({ scheme: 'exact', amount: '1000', quote: 'v1.a.b.c' }),
    authorization: canonical,
  })
  expect(read(undefined, v1)).toEqual({
    version: 1,
    scheme: 'exact',
    network: 'base-sepolia',
    authorization: canonical,
  })
})

test('hex in any case and keys in any order are the same payment', () => {
  const upper = signed({ from: `0x${'AB'.repeat(20)}`, nonce: `0x${'CD'.repeat(32)}` })
  const reversed = Object.fromEntries(
    Object.entries({ ...v2, accepted: Object.fromEntries(Object.entries(accepted).reverse()) }).reverse(),
  )
  const first = read(v2)
  expect(read(upper)).toEqual(first)
  expect(read(reversed)).toEqual(first)
})

test.each([
  '+1',
  '-1',
  ' 1',
  '1 ',
  '01',
  '0x1',
  '1e3',
  '1.0',
  '1_0',
  '',
  '٣',
  'NaN',
  (2n ** 256n).toString(),
  1,
  1.5,
  null,
  true,
  ['1'],
])('an amount written as %j is not an amount', (value) => {
  expect(read(signed({ value }))).toBe('payment_malformed')
  expect(read(signed({ validAfter: value }))).toBe('payment_malformed')
})

test.each([
  ['v as 0', signature(1n, '00')],
  ['v as 1', signature(1n, '01')],
  ['v as 29', signature(1n, '1d')],
  ['s in the upper half', signature(HALF_ORDER + 1n)],
  ['s of zero', signature(0n)],
  ['r of zero', `0x${'00'.repeat(32)}${signature().slice(66)}`],
  ['r beyond the curve', `0x${'ff'.repeat(32)}${signature().slice(66)}`],
  ['half a byte more', `${signature()}0`],
  ['no 0x', signature().slice(2)],
  ['an upper-case 0X', `0X${signature().slice(2)}`],
  ['a line break at the end', `${signature()}\n`],
])('a signature with %s has another spelling of itself and is refused', (_, text) => {
  expect(read({ ...v2, payload: { ...v2.payload, signature: text } })).toBe('payment_malformed')
})

test('s in the middle is the last that is taken, with v 27 and 28', () => {
  for (const v of ['1b', '1c', '1B']) {
    expect(read({ ...v2, payload: { ...v2.payload, signature: signature(HALF_ORDER, v) } })).toBeTypeOf(
      'object',
    )
  }
})

test.each([
  ['a v1 payload in the v2 header', v1, undefined, 'payment_version_unsupported'],
  ['a v2 payload in the v1 header', undefined, v2, 'payment_version_unsupported'],
  ['version 3', { ...v2, x402Version: 3 }, undefined, 'payment_version_unsupported'],
  ['no version', { ...v2, x402Version: undefined }, undefined, 'payment_malformed'],
  [
    'another scheme',
    { ...v2, accepted: { ...accepted, scheme: 'deferred' } },
    undefined,
    'payment_scheme_unsupported',
  ],
  ['another scheme, v1', undefined, { ...v1, scheme: 'deferred' }, 'payment_scheme_unsupported'],
  ['null', null, undefined, 'payment_malformed'],
  ['a list', [v2], undefined, 'payment_malformed'],
  ['nothing accepted', { ...v2, accepted: null }, undefined, 'payment_malformed'],
])('%s is refused by name', (_, two, one, code) => {
  expect(read(two, one)).toBe(code)
})

test('whatever a header holds, it is read or refused, never a crash', () => {
  const header = fc.option(
    fc.oneof(fc.string({ unit: 'binary' }), fc.base64String(), fc.jsonValue().map(encodeHeaderJson)),
    {
      nil: undefined,
    },
  )
  fc.assert(
    fc.property(header, header, (a, b) => {
      try {
        readPayment(a, b)
      } catch (error) {
        expect(error).toBeInstanceOf(Refusal)
      }
    }),
    { numRuns: 2000 },
  )
})

test('a signature of another length is a contract’s and is kept in lower case', () => {
  for (const text of ['0xAB', `0x${'Cd'.repeat(64)}`, `0x${'Ef'.repeat(66)}`, `0x${'01'.repeat(2048)}`]) {
    const payment = read({ ...v2, payload: { ...v2.payload, signature: text } })
    expect(payment).toMatchObject({ authorization: { signature: text.toLowerCase() } })
  }
})

test.each([
  ['nothing', '0x'],
  ['half a byte', '0xabc'],
  ['2049 bytes', `0x${'01'.repeat(2049)}`],
  ['the mark of ERC-6492', `0x${'01'.repeat(96)}${'6492'.repeat(16)}`],
  ['the mark of ERC-6492 alone', `0x${'6492'.repeat(16)}`],
])('a contract’s signature of %s is refused', (_, text) => {
  expect(read({ ...v2, payload: { ...v2.payload, signature: text } })).toBe('payment_malformed')
})

/** Replaces the value at one path of a payload. */
const replaced = (value: unknown, [key, ...rest]: readonly string[], by: unknown): unknown =>
  key === undefined
    ? by
    : { ...(value as object), [key]: replaced((value as Record<string, unknown>)[key], rest, by) }

test('one wrong value anywhere in a good payload is read or refused, never a crash', () => {
  const path = fc.constantFrom(
    ...[
      'x402Version',
      'accepted',
      'accepted.scheme',
      'accepted.extra',
      'accepted.extra.quote',
      'accepted.amount',
      'payload',
    ],
    ...[
      'payload.signature',
      'payload.authorization',
      'payload.authorization.from',
      'payload.authorization.nonce',
    ],
  )
  fc.assert(
    fc.property(path, fc.jsonValue(), (at, value) => {
      const result = read(replaced(v2, at.split('.'), value))
      expect(['string', 'object']).toContain(typeof result)
    }),
    { numRuns: 1000 },
  )
})

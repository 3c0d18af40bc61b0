import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Refusal } from '../../src/errors.ts'
import { EXACT_PROXY, PERMIT2, PERMIT2_COLLECTOR, UPTO_PROXY } from '../../src/wire/contracts.ts'
import { encodeHeaderJson } from '../../src/wire/json.ts'
import { readPayment } from '../../src/wire/payment.ts'

const at = (pair: string, bytes = 20) => `0x${pair.repeat(bytes)}`
const signature = `${at('ab', 32)}${'01'.padStart(64, '0')}1b`
const accepted = (scheme: string) => ({
  scheme,
  network: 'eip155:84532',
  amount: '1000',
  asset: at('22'),
  payTo: at('11'),
  maxTimeoutSeconds: 300,
  extra: { quote: 'v1.a.b.c' },
})
const envelope = (scheme: string, payload: unknown, extensions?: unknown) => ({
  x402Version: 2,
  accepted: accepted(scheme),
  payload,
  ...(extensions !== undefined && { extensions }),
})
const permit = (spender: string, witness: Record<string, unknown>) => ({
  signature,
  permit2Authorization: {
    from: at('aB'),
    permitted: { token: at('22'), amount: '1000' },
    spender,
    nonce: '258',
    deadline: '2000000000',
    witness,
  },
})
const to = { to: at('11'), validAfter: '0' }
const permit2 = envelope('exact', permit(EXACT_PROXY, to))
const upto = envelope('upto', permit(UPTO_PROXY, { ...to, facilitator: at('Fa') }))
const channelConfig = {
  payer: at('aB'),
  payerAuthorizer: at('aB'),
  receiver: at('11'),
  receiverAuthorizer: at('Fa'),
  token: at('22'),
  withdrawDelay: 900,
  salt: at('00', 32),
}
const voucher = { channelId: at('Cc', 32), maxClaimableAmount: '5000', signature }
const channel = (payload: Record<string, unknown>) =>
  envelope('batch-settlement', { channelConfig, voucher, ...payload })
const by3009 = {
  erc3009Authorization: { validAfter: '0', validBefore: '2000000000', salt: at('Dd', 32), signature },
}
const byPermit2 = {
  permit2Authorization: {
    ...permit(PERMIT2_COLLECTOR, { channelId: at('Cc', 32) }).permit2Authorization,
    signature,
  },
}
const deposit = (authorization: unknown, amount = '1000') =>
  channel({ type: 'deposit', deposit: { amount, authorization } })

const allowance = { from: at('aB'), asset: at('22'), spender: PERMIT2, amount: '1000', version: '1' }
const sponsoring = {
  eip2612GasSponsoring: { info: { ...allowance, nonce: '3', deadline: '2000000000', signature } },
}
const approving = { erc20ApprovalGasSponsoring: { info: { ...allowance, signedTransaction: '0x02F8' } } }

const refusal = (payload: unknown): Refusal | undefined => {
  try {
    readPayment(encodeHeaderJson(payload), undefined)
    return undefined
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
}
const problem = (payload: unknown) => {
  const refused = refusal(payload)
  return refused === undefined ? 'was read' : (refused.details['problem'] ?? refused.code)
}
const read = (payload: unknown) => readPayment(encodeHeaderJson(payload), undefined)

/** Replaces the value at one path of a payload. */
const replaced = (value: unknown, [key, ...rest]: readonly string[], by: unknown): unknown =>
  key === undefined
    ? by
    : { ...(value as object), [key]: replaced((value as Record<string, unknown>)[key], rest, by) }

test('Permit2 reads to the same shape as EIP-3009, its nonce as 32 bytes', () => {
  const same = {
    from: at('ab'),
    to: at('11'),
    value: 1000n,
    validAfter: 0n,
    validBefore: 2_000_000_000n,
    nonce: `0x${'0102'.padStart(64, '0')}`,
    token: at('22'),
    signature,
  }
  expect(read(permit2)).toMatchObject({ authorization: { kind: 'permit2', ...same } })
  expect(read(upto)).toMatchObject({ authorization: { kind: 'upto', ...same, facilitator: at('fa') } })
})

test('a channel payment is a voucher, perhaps with a deposit, or a refund', () => {
  const config = {
    ...channelConfig,
    payer: at('ab'),
    payerAuthorizer: at('ab'),
    receiverAuthorizer: at('fa'),
  }
  const signed = { channel: at('cc', 32), max: 5000n, signature }
  const base = { config, voucher: signed }
  const channelOf = (payload: unknown) => (read(payload) as { channel: unknown }).channel
  expect(channelOf(channel({ type: 'voucher' }))).toEqual({ kind: 'voucher', ...base })
  expect(channelOf(channel({ type: 'refund' }))).toEqual({ kind: 'refund', ...base, amount: undefined })
  expect(channelOf(channel({ type: 'refund', amount: '7' }))).toEqual({ kind: 'refund', ...base, amount: 7n })
  expect(channelOf(deposit(by3009))).toEqual({
    kind: 'voucher',
    ...base,
    deposit: {
      amount: 1000n,
      by: 'eip3009',
      validAfter: 0n,
      validBefore: 2_000_000_000n,
      salt: at('dd', 32),
      signature,
    },
  })
  expect(channelOf(deposit(byPermit2))).toEqual({
    kind: 'voucher',
    ...base,
    deposit: {
      amount: 1000n,
      by: 'permit2',
      from: at('ab'),
      token: at('22'),
      nonce: `0x${'0102'.padStart(64, '0')}`,
      validBefore: 2_000_000_000n,
      channel: at('cc', 32),
      signature,
    },
  })
})

const PERMIT = 'payload.permit2Authorization'
const DEPOSIT = 'payload.deposit.authorization.permit2Authorization'
test.each([
  ['the spender of another scheme', permit2, `${PERMIT}.spender`, UPTO_PROXY, EXACT_PROXY],
  ['the spender of another scheme', upto, `${PERMIT}.spender`, EXACT_PROXY, UPTO_PROXY],
  ['Permit2 itself as a spender', deposit(byPermit2), `${DEPOSIT}.spender`, PERMIT2, PERMIT2_COLLECTOR],
  ['upto without a facilitator', upto, `${PERMIT}.witness.facilitator`, undefined, 'witness.facilitator'],
  ['a nonce in hex', permit2, `${PERMIT}.nonce`, '0x0102', 'permit2Authorization.nonce'],
  ['a nonce with leading zeros', permit2, `${PERMIT}.nonce`, '0258', 'permit2Authorization.nonce'],
  ['a nonce of 257 bits', permit2, `${PERMIT}.nonce`, String(2n ** 256n), 'permit2Authorization.nonce'],
  ['both kinds of exact', permit2, 'payload.authorization', {}, 'both'],
  [
    'a deposit of another amount than permitted',
    deposit(byPermit2),
    'payload.deposit.amount',
    '999',
    'permitted amount',
  ],
  ['a deposit of 129 bits', deposit(by3009), 'payload.deposit.amount', String(2n ** 128n), '2^128'],
  [
    'a voucher of 129 bits',
    channel({ type: 'voucher' }),
    'payload.voucher.maxClaimableAmount',
    String(2n ** 128n),
    '2^128',
  ],
  ['both kinds of deposit', deposit({ ...by3009, ...byPermit2 }), 'x', 0, 'both'],
  ['no kind of deposit', deposit({}), 'x', 0, 'erc3009Authorization'],
  ["a settler's own message", channel({ type: 'claim' }), 'x', 0, 'payload.type'],
  [
    'a delay of 41 bits',
    channel({ type: 'voucher' }),
    'payload.channelConfig.withdrawDelay',
    2 ** 40,
    'withdrawDelay',
  ],
  [
    'a delay as text',
    channel({ type: 'voucher' }),
    'payload.channelConfig.withdrawDelay',
    '900',
    'withdrawDelay',
  ],
  [
    'half a second',
    channel({ type: 'voucher' }),
    'payload.channelConfig.withdrawDelay',
    900.5,
    'withdrawDelay',
  ],
  ['a short salt', channel({ type: 'voucher' }), 'payload.channelConfig.salt', '0x01', 'channelConfig.salt'],
  ['a quote of 8193 letters', upto, 'accepted.extra.quote', 'q'.repeat(8193), 'accepted.extra.quote'],
])('%s is refused and named', (_, payload, path, value, words) => {
  expect(refusal(replaced(payload, path.split('.'), value))?.code).toBe('payment_malformed')
  expect(problem(replaced(payload, path.split('.'), value))).toContain(words)
})

test('an allowance is read where it is signed, not where it is echoed', () => {
  const withExtensions = (extensions: unknown) => read({ ...upto, extensions })
  const common = { from: at('ab'), asset: at('22'), spender: PERMIT2, value: 1000n }
  expect(withExtensions(sponsoring)).toMatchObject({
    sponsored: { by: 'eip2612', ...common, nonce: 3n, deadline: 2_000_000_000n, signature },
  })
  expect(withExtensions(approving)).toMatchObject({ sponsored: { by: 'approval', ...common, raw: '0x02f8' } })
  for (const echo of [
    {},
    null,
    { eip2612GasSponsoring: { info: { description: 'x', version: '1' }, schema: {} } },
  ])
    expect(withExtensions(echo)).not.toHaveProperty('sponsored')
})

test.each([
  ['two at once', { ...sponsoring, ...approving }, 'both'],
  [
    'for another spender',
    replaced(sponsoring, ['eip2612GasSponsoring', 'info', 'spender'], at('99')),
    PERMIT2,
  ],
  [
    'by a contract',
    replaced(sponsoring, ['eip2612GasSponsoring', 'info', 'signature'], '0xab'),
    '130 hex digits',
  ],
  ['of another version', replaced(sponsoring, ['eip2612GasSponsoring', 'info', 'version'], '2'), 'version'],
  ['in hex', replaced(approving, ['erc20ApprovalGasSponsoring', 'info', 'amount'], '0x1'), 'amount'],
])('an allowance %s is refused', (_, extensions, words) => {
  expect(problem({ ...upto, extensions })).toContain(words)
})

test('a payer may name its payment with 16 to 128 plain characters', () => {
  const named = (id: unknown) => ({
    ...upto,
    extensions: { 'payment-identifier': { info: { required: false, id } } },
  })
  expect(read(named('pay_0123456789-AZ'))).toMatchObject({ identifier: 'pay_0123456789-AZ' })
  expect(read(named(undefined))).not.toHaveProperty('identifier')
  for (const id of ['a'.repeat(15), 'a'.repeat(129), `${'a'.repeat(16)}\n`, `${'a'.repeat(16)}é`, 1, null])
    expect(problem(named(id))).toContain('payment-identifier')
})

/** Every path that leads to a value of a payload. */
const paths = (value: unknown): string[][] =>
  typeof value === 'object' && value !== null
    ? [[], ...Object.entries(value).flatMap(([key, child]) => paths(child).map((rest) => [key, ...rest]))]
    : [[]]

test('one wrong value anywhere in any payload is read or refused, never a crash', () => {
  const payloads = [
    { ...permit2, extensions: { 'payment-identifier': { info: { id: 'a'.repeat(16) } } } },
    { ...upto, extensions: sponsoring },
    { ...deposit(by3009), extensions: approving },
    deposit(byPermit2),
    channel({ type: 'refund', amount: '1' }),
  ]
  const all = payloads.flatMap((payload) => paths(payload).map((path) => ({ payload, path })))
  fc.assert(
    fc.property(fc.constantFrom(...all), fc.jsonValue(), ({ payload, path }, value) => {
      const result = problem(replaced(payload, path, value))
      expect(typeof result).toBe('string')
    }),
    { numRuns: 5000 },
  )
})

test('hex in any case is the same payment', () => {
  const upper = (value: unknown): unknown =>
    typeof value === 'string'
      ? value.replace(/^0x[0-9a-f]+$/i, (text) => `0x${text.slice(2).toUpperCase()}`)
      : typeof value === 'object' && value !== null
        ? Object.fromEntries(Object.entries(value).map(([key, child]) => [key, upper(child)]))
        : value
  for (const one of [permit2, upto, deposit(by3009), deposit(byPermit2), channel({ type: 'refund' })]) {
    const payload = { ...one, payload: upper(one.payload), extensions: upper(sponsoring) }
    expect(read(payload)).toEqual(read({ ...one, extensions: sponsoring }))
  }
})

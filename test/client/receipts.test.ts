import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { expect, test } from 'vitest'
import { type Expected, requestDigestOf, verifyReceipt } from '../../src/client/receipts.ts'
import type { Receipt, SignedReceipt } from '../../src/wire/receipt.ts'
import { CHAIN, offer, PAY_TO, receiptFor, SIGNER, sha256, sign, TOKEN } from './router.ts'

const NONCE = sha256('nonce')
const PAYER = '0x00000000000000000000000000000000000000cc'
const authorization = {
  from: PAYER,
  value: '10000',
  validAfter: '0',
  validBefore: '1',
  nonce: NONCE,
} as const
const good = receiptFor(
  { paid: { header: '', accepted: offer(), payload: { signature: '', authorization } } as never },
  'text',
)
const expected: Expected = {
  signer: SIGNER,
  callId: 'call_test',
  payer: PAYER,
  payTo: PAY_TO,
  nonce: NONCE,
  chain: CHAIN,
  asset: TOKEN,
  signed: 10_000n,
  maxCharged: 10_000n,
  responseDigest: sha256('text'),
}
const problems = async (signed: unknown, wanted = expected) => {
  const found = await verifyReceipt(signed, wanted)
  return found.ok ? [] : found.problems
}
const changed = (change: Partial<Receipt>) => sign({ ...good, ...change })

test('a receipt that says what happened holds', async () => {
  expect(await problems(await sign(good))).toEqual([])
})

test('hex in capitals is the same receipt', async () => {
  const signed = await sign(good)
  const payer = PAYER.toUpperCase().replace('0X', '0x') as `0x${string}`
  expect(await problems({ ...signed, receipt: { ...good, payer } })).toEqual([])
})

test.each([
  [{ charged: '10001', credited: '0' }, 'it charges 10001, more than the 10000 quoted'],
  [{ credited: '9987' }, 'it credits 9987, not what is left'],
  [{ quoted: '20000', creditUsed: '0' }, 'it quotes 20000, more than the 10000 signed and credited'],
  [{ signed: '9000', creditUsed: '1000' }, 'it says 9000 were signed, not 10000'],
  [{ payer: TOKEN }, 'its payer is'],
  [{ payTo: TOKEN }, 'its payTo is'],
  [{ nonce: sha256('other') }, 'its nonce is'],
  [{ asset: PAY_TO }, 'its asset is'],
  [{ chain: 'eip155:1' }, 'its chain is'],
  [{ callId: 'call_other' }, 'its callId is'],
  [{ responseDigest: sha256('other') }, 'its responseDigest is'],
] as const satisfies [Partial<Receipt>, string][])(
  'a well signed receipt that says %j is a problem',
  async (change, words) => {
    expect((await problems(await changed(change))).join()).toContain(words)
  },
)

test('each field is signed: changing any one breaks the signature', async () => {
  const signed = await sign(good)
  for (const [name, value] of Object.entries(good)) {
    const other =
      typeof value === 'number'
        ? value + 1
        : /^0x/.test(value)
          ? `0x${'1'.repeat(value.length - 2)}`
          : different(name)
    const tampered = { ...signed, receipt: { ...good, [name]: other } }
    expect(await problems(tampered), name).toContain('its signature is not that of its signer')
  }
})

const different = (name: string): string => {
  if (name === 'chain') return 'eip155:1'
  if (name === 'usageSource') return 'delivered'
  if (name === 'outcome') return 'partial'
  return '77'
}

test('a receipt that somebody else signed is a problem, whoever it names', async () => {
  const other = privateKeyToAccount(generatePrivateKey())
  const forged = await sign(good, other)
  expect((await problems(forged)).join()).toContain('not by')
  expect(await problems({ ...forged, signer: SIGNER })).toEqual(['its signature is not that of its signer'])
})

test.each([
  [undefined],
  [null],
  ['receipt'],
  [{}],
  [{ receipt: {}, signer: SIGNER, signature: '0x' }],
  [{ receipt: { ...good, charged: '-1' }, signer: SIGNER, signature: `0x${'1'.repeat(130)}` }],
  [
    {
      receipt: { ...good, charged: (2n ** 256n).toString() },
      signer: SIGNER,
      signature: `0x${'1'.repeat(130)}`,
    },
  ],
])('what is no receipt is a problem and no crash: %#', async (value) => {
  expect((await problems(value)).join()).toContain('it is not a receipt')
})

test('a signature of zeros is a problem and no crash', async () => {
  const signed: SignedReceipt = { ...(await sign(good)), signature: `0x${'0'.repeat(130)}` }
  expect(await problems(signed)).toEqual(['its signature is not that of its signer'])
})

test('the digest of a request does not depend on the order of its fields, and is unknown for bodies we do not know', () => {
  const path = '/v1/chat/completions'
  const messages = [{ role: 'user', content: 'Hi' }]
  const one = requestDigestOf(path, { model: 'm', messages, max_tokens: 5 })
  expect(one).toMatch(/^0x[0-9a-f]{64}$/)
  expect(requestDigestOf(path, { max_tokens: 5, messages, model: 'm' })).toBe(one)
  expect(requestDigestOf(path, { max_tokens: 6, messages, model: 'm' })).not.toBe(one)
  expect(requestDigestOf(path, { model: 'm', messages, unknown: 1 })).toBeUndefined()
  expect(requestDigestOf('/v1/other', { model: 'm', messages })).toBeUndefined()
})

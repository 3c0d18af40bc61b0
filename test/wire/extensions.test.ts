import {
  bazaarResourceServerExtension,
  declareDiscoveryExtension,
  declareEip2612GasSponsoringExtension,
  declareErc20ApprovalGasSponsoringExtension,
  validateDiscoveryExtension,
} from '@x402/extensions'
import { verifyOfferSignatureEIP712, verifyReceiptSignatureEIP712 } from '@x402/extensions/offer-receipt'
import {
  appendPaymentIdentifierToExtensions,
  declarePaymentIdentifierExtension,
} from '@x402/extensions/payment-identifier'
import { privateKeyToAccount } from 'viem/accounts'
import { expect, test } from 'vitest'
import {
  bazaar,
  EIP2612_GAS_SPONSORING,
  ERC20_APPROVAL_GAS_SPONSORING,
  PAYMENT_IDENTIFIER,
} from '../../src/wire/extensions.ts'
import {
  OFFER_DOMAIN,
  OFFER_TYPES,
  offerExtension,
  offerMessage,
  RECEIPT_DOMAIN,
  RECEIPT_TYPES,
  receiptExtension,
  receiptMessage,
} from '../../src/wire/offer-receipt.ts'

/** The same declaration without its descriptions, which are each author's own. */
const bare = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(bare)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([name]) => name !== 'description')
  return Object.fromEntries(kept.map(([name, child]) => [name, bare(child)]))
}

test('what is declared has the shape that official clients look for', () => {
  expect(bare(EIP2612_GAS_SPONSORING)).toEqual(bare(declareEip2612GasSponsoringExtension()))
  expect(bare(ERC20_APPROVAL_GAS_SPONSORING)).toEqual(bare(declareErc20ApprovalGasSponsoringExtension()))
  expect(PAYMENT_IDENTIFIER['payment-identifier']).toEqual(declarePaymentIdentifierExtension(false))
})

test('the official client can name its payment by our declaration', () => {
  const id = 'pay_0123456789abcdef'
  const named = appendPaymentIdentifierToExtensions(structuredClone(PAYMENT_IDENTIFIER), id)
  expect(named['payment-identifier']).toMatchObject({ info: { required: false, id } })
})

test('a catalogue finds how to call: a POST of JSON, with an example', () => {
  const body = { model: 'auto', messages: [{ role: 'user', content: 'Hello' }] }
  const bodySchema = {
    type: 'object',
    properties: { model: { type: 'string' }, messages: { type: 'array' } },
  }
  const answer = { choices: [] }
  const ours = bazaar({ body, bodySchema, answer }).bazaar
  const official = declareDiscoveryExtension({
    input: body,
    inputSchema: bodySchema,
    bodyType: 'json',
    output: { example: answer },
  })
  const enriched = bazaarResourceServerExtension.enrichDeclaration?.(official['bazaar'], {
    method: 'POST',
    adapter: { getPath: () => '/v1/chat/completions' },
  } as never)
  expect(ours).toEqual(enriched)
  expect(validateDiscoveryExtension(ours as never)).toMatchObject({ valid: true })
  expect(bazaar({ body, bodySchema }).bazaar.info).not.toHaveProperty('output')
})

test('a signed offer and a signed receipt hold before the official verifier', async () => {
  const account = privateKeyToAccount(`0x${'11'.repeat(32)}`)
  const resourceUrl = 'http://127.0.0.1:8402/v1/chat/completions'
  const offer = {
    version: 1 as const,
    resourceUrl,
    scheme: 'exact',
    network: 'eip155:84532',
    asset: `0x${'22'.repeat(20)}`,
    payTo: `0x${'33'.repeat(20)}`,
    amount: '1000',
    validUntil: 2_000_000_000,
  }
  const signature = await account.signTypedData({
    domain: OFFER_DOMAIN,
    types: OFFER_TYPES,
    primaryType: 'Offer',
    message: offerMessage(offer),
  })
  const signed = { format: 'eip712' as const, acceptIndex: 0, payload: offer, signature }
  expect((await verifyOfferSignatureEIP712(signed)).signer).toBe(account.address)
  expect(offerExtension([signed])['offer-receipt'].info).toEqual({ offers: [signed] })

  const receipt = {
    version: 1 as const,
    network: 'eip155:84532',
    resourceUrl,
    payer: account.address,
    issuedAt: 1_900_000_000,
    transaction: '',
  }
  const proof = await account.signTypedData({
    domain: RECEIPT_DOMAIN,
    types: RECEIPT_TYPES,
    primaryType: 'Receipt',
    message: receiptMessage(receipt),
  })
  const signedReceipt = { format: 'eip712' as const, payload: receipt, signature: proof }
  expect((await verifyReceiptSignatureEIP712(signedReceipt)).signer).toBe(account.address)
  expect(receiptExtension(signedReceipt)['offer-receipt'].info).toEqual({ receipt: signedReceipt })
})

import { BatchSettlementEvmScheme } from '@x402/evm/batch-settlement/client'
import { ExactEvmScheme } from '@x402/evm/exact/client'
import { ExactEvmSchemeV1 } from '@x402/evm/exact/v1/client'
import { UptoEvmScheme } from '@x402/evm/upto/client'
import { declarePaymentIdentifierExtension } from '@x402/extensions/payment-identifier'
import fc from 'fast-check'
import { keccak256, maxUint256, recoverTypedDataAddress } from 'viem'
import { type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { expect, test } from 'vitest'
import type { Hex } from '../../src/assets.ts'
import { PERMIT2 } from '../../src/wire/contracts.ts'
import { encodeHeaderJson } from '../../src/wire/json.ts'
import { type PaymentChannel, type PaymentV2, type Requirement, readPayment } from '../../src/wire/payment.ts'

type Chosen = Parameters<ExactEvmScheme['createPaymentPayload']>[1]
type Made = { payload: object; extensions?: object }

/** An account that keeps what it was asked to sign, with a chain that knows of no allowance and no channel. */
const signer = (key: bigint) => {
  const account: PrivateKeyAccount = privateKeyToAccount(`0x${key.toString(16).padStart(64, '0')}`)
  const signed: { primaryType: string; message: Record<string, unknown> }[] = []
  return {
    signed,
    address: account.address,
    signTypedData: (data: Parameters<PrivateKeyAccount['signTypedData']>[0]) => {
      signed.push(data as unknown as (typeof signed)[number])
      return account.signTypedData(data)
    },
    last: (type: string) => signed.findLast((one) => one.primaryType === type)?.message ?? {},
    account,
  }
}
const chain = {
  readContract: async ({ functionName }: { functionName: string }) =>
    functionName === 'channels' ? [0n, 0n] : functionName === 'nonces' ? 5n : 0n,
  getTransactionCount: async () => 9,
}

const offer = (
  scheme: Requirement['scheme'],
  amount: bigint,
  method: 'eip3009' | 'permit2',
): Requirement => ({
  scheme,
  network: 'eip155:84532',
  amount: String(amount),
  asset: '0x036cbd53842c5426634e7929541ec2318f3dcf7e',
  payTo: `0x${'1a'.repeat(20)}`,
  maxTimeoutSeconds: 300,
  extra: {
    name: 'USDC',
    version: '2',
    assetTransferMethod: method,
    quote: 'v1.a.b.c',
    signer: `0x${'2b'.repeat(20)}`,
    facilitatorAddress: `0x${'3c'.repeat(20)}`,
    receiverAuthorizer: `0x${'4d'.repeat(20)}`,
    withdrawDelay: 900,
  },
})
const present = ({ payload, extensions }: Made, accepted: Requirement) =>
  readPayment(encodeHeaderJson({ x402Version: 2, accepted, payload, extensions }), undefined)
const lower = (value: unknown) => String(value).toLowerCase()

const key = fc.bigInt(1n, 2n ** 255n)
const amount = fc.bigInt(1n, 2n ** 96n)
const each = (run: (key: bigint, amount: bigint) => Promise<void>) =>
  fc.assert(fc.asyncProperty(key, amount, run), { numRuns: 25 })

test('what the official exact client signs by EIP-3009 is what is read', () =>
  each(async (key, amount) => {
    const payer = signer(key)
    const required = offer('exact', amount, 'eip3009')
    const made = await new ExactEvmScheme(payer).createPaymentPayload(2, required as Chosen)
    const { authorization } = present(made, required) as PaymentV2
    const message = payer.last('TransferWithAuthorization')
    expect(authorization).toEqual({
      kind: 'eip3009',
      from: lower(message['from']),
      to: lower(message['to']),
      value: message['value'],
      validAfter: message['validAfter'],
      validBefore: message['validBefore'],
      nonce: message['nonce'],
      signature: (made.payload as { signature: Hex }).signature,
    })
    expect(authorization.value).toBe(amount)
  }))

test('what the official v1 client signs is what is read', () =>
  each(async (key, amount) => {
    const payer = signer(key)
    const required = {
      ...offer('exact', amount, 'eip3009'),
      network: 'base-sepolia',
      maxAmountRequired: String(amount),
    }
    const made = await new ExactEvmSchemeV1(payer).createPaymentPayload(1, required as unknown as Chosen)
    expect(readPayment(undefined, encodeHeaderJson(made))).toMatchObject({
      version: 1,
      scheme: 'exact',
      network: 'base-sepolia',
      authorization: { kind: 'eip3009', from: lower(payer.address), value: amount },
    })
  }))

test.each([
  ['exact', ExactEvmScheme, 'permit2'],
  ['upto', UptoEvmScheme, 'upto'],
] as const)('what the official %s client signs for Permit2 is what is read', (scheme, Scheme, kind) =>
  each(async (key, amount) => {
    const payer = signer(key)
    const required = offer(scheme, amount, 'permit2')
    const made = await new Scheme(payer).createPaymentPayload(2, required as Chosen)
    const message = payer.last('PermitWitnessTransferFrom') as {
      permitted: { token: string; amount: bigint }
      nonce: bigint
      deadline: bigint
      witness: { to: string; validAfter: bigint; facilitator?: string }
    }
    const { authorization } = present(made, required) as PaymentV2
    expect(authorization).toEqual({
      kind,
      from: lower(payer.address),
      to: lower(message.witness.to),
      value: message.permitted.amount,
      validAfter: message.witness.validAfter,
      validBefore: message.deadline,
      nonce: `0x${message.nonce.toString(16).padStart(64, '0')}`,
      signature: (made.payload as { signature: Hex }).signature,
      token: lower(message.permitted.token),
      ...(kind === 'upto' && { facilitator: lower(message.witness.facilitator) }),
    })
    expect(BigInt(authorization.nonce)).toBe(message.nonce)
  }),
)

test.each(['eip3009', 'permit2'] as const)(
  'a channel opened by the official client with %s is what is read',
  (by) =>
    each(async (key, amount) => {
      const payer = signer(key)
      const required = offer('batch-settlement', amount, by)
      const scheme = new BatchSettlementEvmScheme(payer)
      const made = await scheme.createPaymentPayload(2, required as Chosen)
      const { channel } = present(made, required) as PaymentChannel
      const voucher = payer.last('Voucher')
      expect(channel).toMatchObject({
        kind: 'voucher',
        config: {
          payer: lower(payer.address),
          receiver: required.payTo,
          token: required.asset,
          withdrawDelay: 900,
        },
        voucher: { channel: voucher['channelId'], max: voucher['maxClaimableAmount'] },
      })
      if (channel.kind !== 'voucher' || channel.deposit?.by !== by) throw new Error('no such deposit')
      const { deposit } = channel
      expect(deposit.amount).toBe(5n * amount)
      if (deposit.by === 'eip3009') {
        const message = payer.last('ReceiveWithAuthorization')
        expect([deposit.validAfter, deposit.validBefore]).toEqual([
          message['validAfter'],
          message['validBefore'],
        ])
        expect(message['nonce']).toBe(keccak256(`${channel.voucher.channel}${deposit.salt.slice(2)}`))
      } else {
        const message = payer.last('PermitWitnessTransferFrom')
        expect(BigInt(deposit.nonce)).toBe(message['nonce'])
        expect(deposit).toMatchObject({
          from: lower(payer.address),
          token: required.asset,
          validBefore: message['deadline'],
          channel: channel.voucher.channel,
        })
      }
    }),
)

test('a later call of the official client is a voucher alone, for the sum', () =>
  each(async (key, amount) => {
    const payer = signer(key)
    const required = offer('batch-settlement', amount, 'eip3009')
    const storage = { get: async () => state, set: async () => {}, delete: async () => {} }
    const state = { balance: String(100n * amount), chargedCumulativeAmount: '17' }
    const made = await new BatchSettlementEvmScheme(payer, { storage }).createPaymentPayload(
      2,
      required as Chosen,
    )
    const { channel } = present(made, required) as PaymentChannel
    expect(channel).not.toHaveProperty('deposit')
    expect(channel.voucher).toMatchObject({ max: 17n + amount, channel: payer.last('Voucher')['channelId'] })
  }))

test('the permit that the official client adds is read and recovers to the payer', async () => {
  const payer = signer(7n)
  const required = offer('upto', 1000n, 'permit2')
  const context = { extensions: { eip2612GasSponsoring: { info: {}, schema: {} } } }
  const made = await new UptoEvmScheme({ ...payer, ...chain }).createPaymentPayload(
    2,
    required as Chosen,
    context,
  )
  const { sponsored } = present(made, required) as PaymentV2
  if (sponsored?.by !== 'eip2612') throw new Error('no permit')
  expect(sponsored).toMatchObject({ asset: required.asset, spender: PERMIT2, value: 1000n, nonce: 5n })
  const recovered = await recoverTypedDataAddress({
    domain: { name: 'USDC', version: '2', chainId: 84532, verifyingContract: sponsored.asset },
    types: {
      Permit: ['owner:address', 'spender:address', 'value:uint256', 'nonce:uint256', 'deadline:uint256'].map(
        (field) => ({ name: field.split(':')[0]!, type: field.split(':')[1]! }),
      ),
    },
    primaryType: 'Permit',
    message: { owner: sponsored.from, ...sponsored },
    signature: sponsored.signature,
  })
  expect(lower(recovered)).toBe(sponsored.from)
})

test('the approval that the official client adds is read with its raw transaction', async () => {
  const payer = signer(7n)
  const required = offer('exact', 1000n, 'permit2')
  const context = { extensions: { erc20ApprovalGasSponsoring: { info: {}, schema: {} } } }
  const able = { ...payer, ...chain, signTransaction: payer.account.signTransaction }
  const made = await new ExactEvmScheme(able as never).createPaymentPayload(2, required as Chosen, context)
  const { sponsored } = present(made, required) as PaymentV2
  expect(sponsored).toMatchObject({
    by: 'approval',
    asset: required.asset,
    spender: PERMIT2,
    value: maxUint256,
  })
  expect(sponsored).toHaveProperty('raw', expect.stringMatching(/^0x02[0-9a-f]+$/))
})

test('an extension that is only echoed adds nothing', async () => {
  const required = offer('exact', 1000n, 'eip3009')
  const made = await new ExactEvmScheme(signer(7n)).createPaymentPayload(2, required as Chosen)
  const extensions = { 'payment-identifier': declarePaymentIdentifierExtension() }
  expect(present({ ...made, extensions }, required)).not.toHaveProperty('identifier')
})

import { x402ExactPermit2ProxyABI, x402UptoPermit2ProxyABI } from '@x402/evm'
import fc from 'fast-check'
import {
  concat,
  encodeAbiParameters,
  encodeFunctionData,
  encodeFunctionResult,
  encodePacked,
  erc20Abi,
  multicall3Abi,
  parseAbi,
  parseSignature,
  size,
} from 'viem'
import { expect, test } from 'vitest'
import { batchSettlementAbi } from '../../contracts-abi/batch-settlement.ts'
import type { Permit } from '../../src/chain/approval.ts'
import { approveData, tokenTransferData } from '../../src/chain/approval.ts'
import * as channel from '../../src/chain/channel-calls.ts'
import { erc3009CollectorData, permit2CollectorData } from '../../src/chain/deposit.ts'
import { execute } from '../../src/chain/executor.ts'
import { aggregate3, aggregateResults } from '../../src/chain/multicall.ts'
import { settleExact, settleUpto } from '../../src/chain/permit2.ts'
import { transferDataOfContract } from '../../src/chain/transaction.ts'
import { anyBytes, configs, hex, permits, terms, uint } from './vectors.ts'

const each = <T>(values: fc.Arbitrary<T>, check: (value: T) => void) =>
  fc.assert(fc.property(values, check), { numRuns: 100 })

const split = ({ value, deadline, signature }: Permit) => {
  const { r, s, v } = parseSignature(signature)
  return { value, deadline, r, s, v: Number(v) }
}

test('a payment by Permit2 is submitted as the exact proxy expects it, with and without an allowance', () => {
  each(fc.tuple(fc.record(terms), permits), ([t, permit]) => {
    const args = [
      { permitted: { token: t.token, amount: t.value }, nonce: BigInt(t.nonce), deadline: t.validBefore },
      t.from,
      { to: t.to, validAfter: t.validAfter },
      t.signature,
    ] as const
    const abi = x402ExactPermit2ProxyABI
    expect(settleExact(t)).toBe(encodeFunctionData({ abi, functionName: 'settle', args }))
    expect(settleExact(t, permit)).toBe(
      encodeFunctionData({ abi, functionName: 'settleWithPermit', args: [split(permit), ...args] }),
    )
  })
})

test('a payment up to a maximum is submitted as the upto proxy expects it, with and without an allowance', () => {
  each(fc.tuple(fc.record(terms), permits), ([t, permit]) => {
    const args = [
      { permitted: { token: t.token, amount: t.value }, nonce: BigInt(t.nonce), deadline: t.validBefore },
      t.amount,
      t.from,
      { to: t.to, facilitator: t.facilitator, validAfter: t.validAfter },
      t.signature,
    ] as const
    const abi = x402UptoPermit2ProxyABI
    expect(settleUpto(t)).toBe(encodeFunctionData({ abi, functionName: 'settle', args }))
    expect(settleUpto(t, permit)).toBe(
      encodeFunctionData({ abi, functionName: 'settleWithPermit', args: [split(permit), ...args] }),
    )
  })
})

const claims = fc.array(
  fc.record({
    config: configs,
    maxClaimableAmount: uint(128),
    signature: anyBytes,
    totalClaimed: uint(128),
  }),
  { maxLength: 4 },
)

test('claims reach the settlement contract as it expects them', () => {
  each(fc.tuple(claims, anyBytes), ([rows, signature]) => {
    const theirs = rows.map(({ config, maxClaimableAmount, ...rest }) => ({
      voucher: { channel: config, maxClaimableAmount },
      ...rest,
    }))
    const abi = batchSettlementAbi
    expect(channel.claimData(rows)).toBe(encodeFunctionData({ abi, functionName: 'claim', args: [theirs] }))
    expect(channel.claimWithSignatureData(rows, signature)).toBe(
      encodeFunctionData({ abi, functionName: 'claimWithSignature', args: [theirs, signature] }),
    )
  })
})

test('deposits, refunds and payouts reach the settlement contract as it expects them', () => {
  const values = fc.record({
    config: configs,
    amount: uint(128),
    collector: hex(20),
    data: anyBytes,
    nonce: uint(256),
    calls: fc.array(anyBytes, { maxLength: 4 }),
  })
  each(values, ({ config, amount, collector, data, nonce, calls }) => {
    const abi = batchSettlementAbi
    expect(channel.depositData({ config, amount, collector, collectorData: data })).toBe(
      encodeFunctionData({ abi, functionName: 'deposit', args: [config, amount, collector, data] }),
    )
    expect(channel.refundData(config, amount)).toBe(
      encodeFunctionData({ abi, functionName: 'refund', args: [config, amount] }),
    )
    expect(channel.refundWithSignatureData({ config, amount, nonce, signature: data })).toBe(
      encodeFunctionData({ abi, functionName: 'refundWithSignature', args: [config, amount, nonce, data] }),
    )
    expect(channel.settleData(config.receiver, config.token)).toBe(
      encodeFunctionData({ abi, functionName: 'settle', args: [config.receiver, config.token] }),
    )
    expect(channel.channelMulticallData(calls)).toBe(
      encodeFunctionData({ abi, functionName: 'multicall', args: [calls] }),
    )
  })
})

test('the collectors get what the official facilitator sends them', () => {
  const u = { type: 'uint256' } as const
  const b = { type: 'bytes' } as const
  each(fc.tuple(fc.record(terms), permits), ([t, permit]) => {
    const { validAfter, validBefore, nonce, signature } = t
    expect(erc3009CollectorData({ validAfter, validBefore, salt: nonce, signature })).toBe(
      encodeAbiParameters([u, u, u, b], [validAfter, validBefore, BigInt(nonce), signature]),
    )
    const deposit = { nonce, deadline: validBefore, signature }
    expect(permit2CollectorData(deposit)).toBe(
      encodeAbiParameters([u, u, b, b], [BigInt(nonce), validBefore, signature, '0x']),
    )
    const { value, deadline, v, r, s } = split(permit)
    const allowance = encodeAbiParameters(
      [u, u, { type: 'uint8' }, { type: 'bytes32' }, { type: 'bytes32' }],
      [value, deadline, v, r, s],
    )
    expect(permit2CollectorData(deposit, permit)).toBe(
      encodeAbiParameters([u, u, b, b], [BigInt(nonce), validBefore, signature, allowance]),
    )
  })
})

test('batches of calls are written as Multicall3 and our executor read them', () => {
  const items = fc.array(
    fc.record({
      target: hex(20),
      data: anyBytes,
      gas: fc.bigInt({ min: 1n, max: 2n ** 24n - 1n }),
      allowFailure: fc.boolean(),
    }),
    { maxLength: 5 },
  )
  const abi = parseAbi(['function execute(bytes items)'])
  const types = ['uint24', 'address', 'uint16', 'bytes'] as const
  each(items, (batch) => {
    const packed = batch.map(({ gas, target, data }) =>
      encodePacked(types, [Number(gas), target, size(data), data]),
    )
    expect(execute(batch)).toBe(
      encodeFunctionData({ abi, functionName: 'execute', args: [concat(['0x', ...packed])] }),
    )
    const calls = batch.map(({ target, data, allowFailure }) => ({ target, callData: data, allowFailure }))
    expect(aggregate3(batch)).toBe(
      encodeFunctionData({ abi: multicall3Abi, functionName: 'aggregate3', args: [calls] }),
    )
    const result = batch.map(({ data, allowFailure }) => ({ success: allowFailure, returnData: data }))
    const answer = encodeFunctionResult({ abi: multicall3Abi, functionName: 'aggregate3', result })
    expect(aggregateResults(answer)).toEqual(
      batch.map(({ data, allowFailure }) => ({ ok: allowFailure, data })),
    )
  })
})

test('token calls are those of ERC-20, and of EIP-3009 for payers that are contracts', () => {
  const abi = parseAbi([
    'function transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)',
  ])
  each(fc.record(terms), (t) => {
    const { from, to, value, validAfter, validBefore, nonce, signature } = t
    expect(transferDataOfContract(t)).toBe(
      encodeFunctionData({ abi, args: [from, to, value, validAfter, validBefore, nonce, signature] }),
    )
    expect(tokenTransferData(to, value)).toBe(
      encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [to, value] }),
    )
    expect(approveData(to, value)).toBe(
      encodeFunctionData({ abi: erc20Abi, functionName: 'approve', args: [to, value] }),
    )
  })
})

test('a number that fits no word is refused, not cut', () => {
  expect(() => tokenTransferData(`0x${'11'.repeat(20)}`, 2n ** 256n)).toThrow(RangeError)
  expect(() => tokenTransferData(`0x${'11'.repeat(20)}`, -1n)).toThrow(RangeError)
  expect(() => tokenTransferData(`0x${'11'.repeat(33)}`, 1n)).toThrow(RangeError)
})

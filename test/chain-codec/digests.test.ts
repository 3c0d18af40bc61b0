import {
  claimBatchTypes,
  permit2WitnessTypes,
  refundTypes,
  uptoPermit2WitnessTypes,
  voucherTypes,
} from '@x402/evm'
import { computeChannelId } from '@x402/evm/batch-settlement/client'
import fc from 'fast-check'
import { encodeAbiParameters, hashTypedData, keccak256 } from 'viem'
import { expect, test } from 'vitest'
import { permitDigest } from '../../src/chain/approval.ts'
import { channelIdOf, claimBatchDigest, refundDigest, voucherDigest } from '../../src/chain/channel.ts'
import { depositNonce, permit2DepositDigest, receiveDigest } from '../../src/chain/deposit.ts'
import { permit2Digest, uptoDigest } from '../../src/chain/permit2.ts'
import { toHex } from '../../src/chain/signatures.ts'
import { domainSeparator, type TypeTable, typeHash } from '../../src/chain/typed-data.ts'
import * as contracts from '../../src/wire/contracts.ts'
import { chainIds, configs, hex, terms, uint } from './vectors.ts'

const each = <T>(values: fc.Arbitrary<T>, check: (value: T, chainId: number) => void) =>
  fc.assert(fc.property(values, chainIds, check), { numRuns: 100 })

const permit2 = (chainId: number) => ({
  name: 'Permit2',
  chainId,
  verifyingContract: '0x000000000022D473030F116dDEE9F6B43aC78BA3' as const,
})
const settlement = (chainId: number) => ({
  name: 'x402 Batch Settlement',
  version: '1',
  chainId,
  verifyingContract: '0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003' as const,
})

test('what a payer signs to pay exactly by Permit2 is what wallets sign', () => {
  each(fc.record(terms), (t, chainId) => {
    const theirs = hashTypedData({
      domain: permit2(chainId),
      types: permit2WitnessTypes,
      primaryType: 'PermitWitnessTransferFrom',
      message: {
        permitted: { token: t.token, amount: t.value },
        spender: '0x402085c248EeA27D92E8b30b2C58ed07f9E20001',
        nonce: BigInt(t.nonce),
        deadline: t.validBefore,
        witness: { to: t.to, validAfter: t.validAfter },
      },
    })
    expect(toHex(permit2Digest(chainId, t))).toBe(theirs)
  })
})

test('what a payer signs to pay up to a maximum is what wallets sign', () => {
  each(fc.record(terms), (t, chainId) => {
    const theirs = hashTypedData({
      domain: permit2(chainId),
      types: uptoPermit2WitnessTypes,
      primaryType: 'PermitWitnessTransferFrom',
      message: {
        permitted: { token: t.token, amount: t.value },
        spender: '0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002',
        nonce: BigInt(t.nonce),
        deadline: t.validBefore,
        witness: { to: t.to, facilitator: t.facilitator, validAfter: t.validAfter },
      },
    })
    expect(toHex(uptoDigest(chainId, t))).toBe(theirs)
  })
})

test('a channel has the id that the official client computes', () => {
  each(configs, (config, chainId) => {
    expect(channelIdOf(chainId, config)).toBe(computeChannelId(config, chainId))
  })
})

test('vouchers, refunds and claim batches are hashed as wallets hash them', () => {
  const entry = { channelId: hex(32), maxClaimableAmount: uint(128), totalClaimed: uint(128) }
  const values = fc.record({
    ...entry,
    nonce: uint(256),
    amount: uint(128),
    claims: fc.array(fc.record(entry), { maxLength: 5 }),
  })
  each(values, ({ channelId, maxClaimableAmount, nonce, amount, claims }, chainId) => {
    const domain = settlement(chainId)
    expect(toHex(voucherDigest(chainId, { channelId, maxClaimableAmount }))).toBe(
      hashTypedData({
        domain,
        types: voucherTypes,
        primaryType: 'Voucher',
        message: { channelId, maxClaimableAmount },
      }),
    )
    expect(toHex(refundDigest(chainId, { channelId, nonce, amount }))).toBe(
      hashTypedData({
        domain,
        types: refundTypes,
        primaryType: 'Refund',
        message: { channelId, nonce, amount },
      }),
    )
    expect(toHex(claimBatchDigest(chainId, claims))).toBe(
      hashTypedData({
        domain,
        types: claimBatchTypes,
        primaryType: 'ClaimBatch',
        message: { claims },
      }),
    )
  })
})

test('what is signed has the words of the public contracts', () => {
  const text = (of: string) => keccak256(new TextEncoder().encode(of))
  const receive =
    'ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)'
  const permit = 'Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)'
  const deposit =
    'PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,DepositWitness witness)' +
    'DepositWitness(bytes32 channelId)TokenPermissions(address token,uint256 amount)'
  const hash = (types: TypeTable, name: string) => toHex(typeHash(types, name))
  expect(hash(contracts.RECEIVE_TYPES, 'ReceiveWithAuthorization')).toBe(text(receive))
  expect(hash(contracts.EIP2612_TYPES, 'Permit')).toBe(text(permit))
  expect(hash(contracts.PERMIT2_DEPOSIT_TYPES, 'PermitWitnessTransferFrom')).toBe(text(deposit))
})

test('a deposit by EIP-3009 is signed for the collector, under a nonce that names the channel', () => {
  const values = fc.record({
    token: hex(20),
    from: hex(20),
    value: uint(256),
    validAfter: uint(256),
    validBefore: uint(256),
    channelId: hex(32),
    salt: hex(32),
  })
  each(values, (d, chainId) => {
    const nonce = keccak256(
      encodeAbiParameters([{ type: 'bytes32' }, { type: 'uint256' }], [d.channelId, BigInt(d.salt)]),
    )
    expect(depositNonce(d.channelId, d.salt)).toBe(nonce)
    const theirs = hashTypedData({
      domain: { name: 'USD Coin', version: '2', chainId, verifyingContract: d.token },
      types: contracts.RECEIVE_TYPES,
      primaryType: 'ReceiveWithAuthorization',
      message: {
        from: d.from,
        to: '0x4020806089470a89826cB9fB1f4059150b550004',
        value: d.value,
        validAfter: d.validAfter,
        validBefore: d.validBefore,
        nonce,
      },
    })
    const separator = domainSeparator({
      name: 'USD Coin',
      version: '2',
      chain: `eip155:${chainId}`,
      address: d.token,
    })
    expect(toHex(receiveDigest(separator, d))).toBe(theirs)
  })
})

test('a deposit by Permit2 is signed for the collector and its channel', () => {
  const values = fc.record({
    token: hex(20),
    amount: uint(256),
    nonce: hex(32),
    deadline: uint(256),
    channelId: hex(32),
  })
  each(values, (d, chainId) => {
    const theirs = hashTypedData({
      domain: permit2(chainId),
      types: contracts.PERMIT2_DEPOSIT_TYPES,
      primaryType: 'PermitWitnessTransferFrom',
      message: {
        permitted: { token: d.token, amount: d.amount },
        spender: '0x4020425FAf3B746C082C2f942b4E5159887B0005',
        nonce: BigInt(d.nonce),
        deadline: d.deadline,
        witness: { channelId: d.channelId },
      },
    })
    expect(toHex(permit2DepositDigest(chainId, d))).toBe(theirs)
  })
})

test('an allowance that an owner signs is hashed as wallets hash it', () => {
  const values = fc.record({
    token: hex(20),
    owner: hex(20),
    spender: hex(20),
    value: uint(256),
    nonce: uint(256),
    deadline: uint(256),
  })
  each(values, ({ token, ...message }, chainId) => {
    const domain = { name: 'Token', version: '1', chainId, verifyingContract: token }
    const separator = domainSeparator({
      name: 'Token',
      version: '1',
      chain: `eip155:${chainId}`,
      address: token,
    })
    expect(toHex(permitDigest(separator, message))).toBe(
      hashTypedData({ domain, types: contracts.EIP2612_TYPES, primaryType: 'Permit', message }),
    )
  })
})

test('the tables that our client signs by are those of the official client', () => {
  expect(contracts.PERMIT2_EXACT_TYPES).toEqual(permit2WitnessTypes)
  expect(contracts.PERMIT2_UPTO_TYPES).toEqual(uptoPermit2WitnessTypes)
  expect(contracts.VOUCHER_TYPES).toEqual(voucherTypes)
  expect(contracts.REFUND_TYPES).toEqual(refundTypes)
  expect(contracts.CLAIM_BATCH_TYPES).toEqual(claimBatchTypes)
})

import {
  decodeFunctionData,
  encodeAbiParameters,
  encodeErrorResult,
  keccak256,
  parseAbi,
  toHex as viemHex,
} from 'viem'
import { expect, test } from 'vitest'
import type { Hex } from '../../src/assets.ts'
import { failedItems } from '../../src/chain/executor.ts'
import * as reads from '../../src/chain/reads.ts'
import { reasonOfRevert } from '../../src/chain/revert.ts'
import type { RpcResult } from '../../src/chain/rpc.ts'
import { BATCH_SETTLEMENT, PERMIT2 } from '../../src/wire/contracts.ts'

const token: Hex = `0x${'aa'.repeat(20)}`
const payer: Hex = `0x${'bb'.repeat(20)}`
const told = (value: unknown): RpcResult => ({ ok: true, value })
const number = (value: bigint) => told(viemHex(value, { size: 32 }))
const pair = (a: bigint, b: bigint) =>
  told(encodeAbiParameters([{ type: 'uint128' }, { type: 'uint128' }], [a, b]))
const reverted: RpcResult = { ok: false, message: 'execution reverted' }
const down: RpcResult = { ok: false, message: 'internal error' }
const unavailable = expect.objectContaining({ code: 'chain_unavailable' })
const thrown = (run: () => unknown): unknown => {
  try {
    return run()
  } catch (error) {
    return error
  }
}

const abi = parseAbi([
  'function balanceOf(address) view returns (uint256)',
  'function allowance(address,address) view returns (uint256)',
  'function nonceBitmap(address,uint256) view returns (uint256)',
  'function channels(bytes32) view returns (uint128,uint128)',
  'function pendingWithdrawals(bytes32) view returns (uint128,uint40)',
  'function refundNonce(bytes32) view returns (uint256)',
  'function receivers(address,address) view returns (uint128,uint128)',
  'function basisPointsRate() view returns (uint256)',
  'function paused() view returns (bool)',
  'function nonces(address) view returns (uint256)',
  'function isValidSignature(bytes32,bytes) view returns (bytes4)',
])
const asked = (call: { params: unknown[] }) => {
  const { to, data } = call.params[0] as { to: Hex; data: Hex }
  const { functionName, args } = decodeFunctionData({ abi, data })
  const lower = (args ?? []).map((one) => (typeof one === 'string' ? one.toLowerCase() : one))
  return [to, functionName, ...lower]
}

test('a payer by Permit2 is asked for its balance, allowance, nonce and code', () => {
  const nonce: Hex = `0x${(0x1234n * 256n + 7n).toString(16).padStart(64, '0')}`
  const calls = reads.permit2Reads(token, payer, nonce, '0x10')
  expect(calls.slice(0, 3).map(asked)).toEqual([
    [token, 'balanceOf', payer],
    [token, 'allowance', payer, PERMIT2],
    [PERMIT2, 'nonceBitmap', payer, 0x1234n],
  ])
  expect(calls[3]).toEqual({ method: 'eth_getCode', params: [payer, '0x10'] })
  expect(calls.every((call) => call.params[1] === '0x10')).toBe(true)

  const facts = (bitmap: bigint, code: string) =>
    reads.toPermit2Facts([number(5n), number(6n), number(bitmap), told(code)], nonce)
  expect(facts(1n << 7n, '0x')).toEqual({ balance: 5n, allowance: 6n, used: true, code: 'none' })
  expect(facts(~(1n << 7n) & (2n ** 256n - 1n), '0x6001').used).toBe(false)
  expect(facts(0n, '0x6001').code).toBe('contract')
  expect(facts(0n, `0xef0100${'11'.repeat(20)}`).code).toBe('delegated')
})

test('a node that does not answer is no proof of anything', () => {
  const nonce: Hex = `0x${'00'.repeat(32)}`
  const good = [number(5n), number(6n), number(0n), told('0x')]
  for (let i = 0; i < good.length; i++) {
    for (const bad of [down, told(null), reverted]) {
      const results = good.map((one, at) => (at === i ? bad : one))
      expect(thrown(() => reads.toPermit2Facts(results, nonce))).toEqual(unavailable)
    }
  }
  expect(thrown(() => reads.toChannelState([told('0x'), pair(0n, 0n), number(0n)]))).toEqual(unavailable)
  expect(thrown(() => reads.toValidity(down))).toEqual(unavailable)
  expect(thrown(() => reads.toTokenQuirks([down, reverted]))).toEqual(unavailable)
})

test('a channel is read with its withdrawal and refund nonce', () => {
  const id: Hex = `0x${'cc'.repeat(32)}`
  expect(reads.channelReads(id).map(asked)).toEqual([
    [BATCH_SETTLEMENT, 'channels', id],
    [BATCH_SETTLEMENT, 'pendingWithdrawals', id],
    [BATCH_SETTLEMENT, 'refundNonce', id],
  ])
  expect(reads.toChannelState([pair(9n, 4n), pair(3n, 1_700_000_000n), number(2n)])).toEqual({
    balance: 9n,
    totalClaimed: 4n,
    withdrawal: { amount: 3n, initiatedAt: 1_700_000_000 },
    refundNonce: 2n,
  })
  expect(reads.toChannelState([pair(9n, 4n), pair(0n, 0n), number(0n)]).withdrawal).toBeUndefined()
  expect(asked(reads.receiverRead(payer, token))).toEqual([BATCH_SETTLEMENT, 'receivers', payer, token])
  expect(reads.toReceived(pair(9n, 4n))).toEqual({ totalClaimed: 9n, totalSettled: 4n })
  expect(asked(reads.permitNonceRead(token, payer))).toEqual([token, 'nonces', payer])
})

test('a token that takes a fee or is paused is seen, and one that knows neither is plain', () => {
  expect(reads.tokenQuirkReads(token).map(asked)).toEqual([
    [token, 'basisPointsRate'],
    [token, 'paused'],
  ])
  expect(reads.toTokenQuirks([number(10n), number(1n)])).toEqual({ feeBasisPoints: 10n, paused: true })
  expect(reads.toTokenQuirks([reverted, told('0x')])).toEqual({ feeBasisPoints: 0n, paused: false })
})

test('a contract wallet signed only when it says so in the words of ERC-1271', () => {
  const digest: Hex = `0x${'dd'.repeat(32)}`
  const call = reads.signatureRead(payer, digest, '0x1234', { gas: 100_000n })
  expect(asked(call)).toEqual([payer, 'isValidSignature', digest, '0x1234'])
  expect((call.params[0] as { gas: Hex }).gas).toBe('0x186a0')
  const magic = '0x1626ba7e'
  expect(reads.toValidity(told(`${magic}${'0'.repeat(56)}`))).toBe(true)
  expect(reads.toValidity(told(`0xffffffff${'0'.repeat(56)}`))).toBe(false)
  expect(reads.toValidity(told(magic))).toBe(false)
  expect(reads.toValidity(told(`${magic}${'f'.repeat(56)}`))).toBe(false)
  expect(reads.toValidity(told('0x'))).toBe(false)
  expect(reads.toValidity(reverted)).toBe(false)
  expect(reads.toValidity({ ok: false, message: 'out of gas: gas exhausted' })).toBe(false)
})

test('a revert is told in a few words, and a stranger’s text is made safe', () => {
  const errors = parseAbi([
    'error InvalidNonce()',
    'error SignatureExpired(uint256)',
    'error Unheard(uint256)',
    'error Error(string)',
  ])
  const reason = (errorName: string, args: unknown[] = []) =>
    reasonOfRevert(encodeErrorResult({ abi: errors, errorName, args } as never))
  expect(reason('InvalidNonce')).toBe('nonce used')
  expect(reason('SignatureExpired', [5n])).toBe('signature expired')
  expect(reason('Unheard', [5n])).toMatch(/^error 0x[0-9a-f]{8}$/)
  expect(reason('Error', ['FiatTokenV2: invalid signature'])).toBe('FiatTokenV2: invalid signature')
  expect(reason('Error', [`a\n\u001b[31m${'x'.repeat(500)}`])).toBe(`a??[31m${'x'.repeat(93)}`)
  expect(reasonOfRevert(`0x4e487b71${'11'.padStart(64, '0')}`)).toBe('panic 17')
  expect(reasonOfRevert('0x08c379a0ff')).toBe('unreadable')
  expect([reasonOfRevert('0x'), reasonOfRevert(undefined), reasonOfRevert('0xzz')]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
})

test('the items of a batch that did nothing are named by the account’s own logs only', () => {
  const topics = (index: bigint) => [
    keccak256(new TextEncoder().encode('Failed(uint256)')),
    viemHex(index, { size: 32 }),
  ]
  const logs = [
    { address: payer.toUpperCase().replace('0X', '0x'), topics: topics(3n) },
    { address: token, topics: topics(4n) },
    { address: payer, topics: [viemHex(1, { size: 32 }), viemHex(5, { size: 32 })] },
    { address: payer, topics: topics(0n) },
  ]
  expect(failedItems(payer, logs)).toEqual([3, 0])
})

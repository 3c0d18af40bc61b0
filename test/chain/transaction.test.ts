import fc from 'fast-check'
import { encodeFunctionData, keccak256, parseSignature, parseTransaction } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { expect, test } from 'vitest'
import { eip3009Abi } from '../../contracts-abi/eip3009.ts'
import type { Hex } from '../../src/assets.ts'
import { addressOf, fromHex, toHex } from '../../src/chain/signatures.ts'
import { signTransaction, TRANSFER_GAS, transferData } from '../../src/chain/transaction.ts'
import { capped } from '../../src/settle/fees.ts'

const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value): Hex => toHex(value))
const uint256 = fc.bigInt({ min: 0n, max: 2n ** 256n - 1n })
const wei = fc.bigInt({ min: 0n, max: 10n ** 13n })

test('a signed transaction is byte for byte what viem signs, and has the hash that we store', async () => {
  const keys = Array.from({ length: 5 }, generatePrivateKey)
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...keys),
      fc.record({ chainId: fc.integer({ min: 1 }), nonce: fc.nat(), to: hex(20), maxFee: wei, tip: wei }),
      fc.uint8Array({ maxLength: 300 }).map(toHex),
      async (secret, { chainId, nonce, to, ...fees }, data) => {
        const { maxFee, tip } = capped(fees, fees.maxFee)
        const account = privateKeyToAccount(secret)
        const settler = { key: fromHex(secret), address: addressOf(fromHex(secret)) }
        const unsigned = { chainId, nonce, to, data, gas: TRANSFER_GAS, fees: { maxFee, tip } }
        const { raw, hash } = await signTransaction(settler, unsigned)
        const theirs = await account.signTransaction({
          type: 'eip1559',
          chainId,
          nonce,
          to,
          data,
          gas: TRANSFER_GAS,
          maxFeePerGas: maxFee,
          maxPriorityFeePerGas: tip,
        })
        expect(raw).toBe(theirs)
        expect(hash).toBe(keccak256(theirs))
      },
    ),
    // Enough for signatures whose r or s begins with zeros, which are written shorter.
    { numRuns: 1_000 },
  )
})

test('its calldata is the token’s transferWithAuthorization with the payer’s words and signature', async () => {
  const account = privateKeyToAccount(generatePrivateKey())
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        from: hex(20),
        to: hex(20),
        value: uint256,
        validAfter: uint256,
        validBefore: uint256,
        nonce: hex(32),
      }),
      hex(32),
      async (words, hash) => {
        const signature = await account.sign({ hash })
        const { r, s, v } = parseSignature(signature)
        const { from, to, value, validAfter, validBefore, nonce } = words
        expect(transferData({ ...words, signature })).toBe(
          encodeFunctionData({
            abi: eip3009Abi,
            functionName: 'transferWithAuthorization',
            args: [from, to, value, validAfter, validBefore, nonce, Number(v), r, s],
          }),
        )
      },
    ),
  )
})

test('a transaction names its chain, so that it is worth nothing on another', async () => {
  const secret = generatePrivateKey()
  const settler = { key: fromHex(secret), address: addressOf(fromHex(secret)) }
  const unsigned = {
    nonce: 0,
    to: settler.address,
    data: '0x',
    gas: 21_000n,
    fees: { maxFee: 1n, tip: 1n },
  } as const
  const [one, other] = await Promise.all(
    [1, 8453].map((chainId) => signTransaction(settler, { ...unsigned, chainId })),
  )
  expect([parseTransaction(one!.raw).chainId, parseTransaction(other!.raw).chainId]).toEqual([1, 8453])
  expect(one!.hash).not.toBe(other!.hash)
})

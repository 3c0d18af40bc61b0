import fc from 'fast-check'
import { keccak256, toRlp } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { expect, test } from 'vitest'
import { delegateOf, signDelegation } from '../../src/chain/delegate.ts'
import { EMPTY_LIST, type RlpItem, rlpList } from '../../src/chain/rlp.ts'
import { addressOf, fromHex, toHex } from '../../src/chain/signatures.ts'
import { signTransaction } from '../../src/chain/transaction.ts'
import { anyBytes, chainIds, hex, uint } from './vectors.ts'

test('a transaction that delegates accounts is byte for byte what viem signs', async () => {
  const keys = Array.from({ length: 5 }, generatePrivateKey)
  const wish = fc.record({
    signer: fc.constantFrom(...keys),
    address: hex(20),
    nonce: fc.nat(),
    everywhere: fc.boolean(),
  })
  const transaction = fc.record({
    chainId: chainIds,
    nonce: fc.nat(),
    to: hex(20),
    data: anyBytes,
    gas: uint(40),
    tip: uint(40),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...keys),
      transaction,
      fc.array(wish, { minLength: 1, maxLength: 3 }),
      async (secret, { tip, ...tx }, wishes) => {
        const plain = wishes.map(({ signer, everywhere, address, nonce }) => ({
          signer,
          of: { chainId: everywhere ? 0 : tx.chainId, address, nonce },
        }))
        const ours = await Promise.all(
          plain.map(({ signer, of }) => signDelegation({ ...of, key: fromHex(signer) })),
        )
        const theirs = await Promise.all(
          plain.map(({ signer, of }) => privateKeyToAccount(signer).signAuthorization(of)),
        )
        const settler = { key: fromHex(secret), address: addressOf(fromHex(secret)) }
        const fees = { maxFee: tip * 2n, tip }
        const { raw, hash } = await signTransaction(settler, { ...tx, fees, authorizationList: ours })
        const expected = await privateKeyToAccount(secret).signTransaction({
          type: 'eip7702',
          ...tx,
          maxFeePerGas: fees.maxFee,
          maxPriorityFeePerGas: fees.tip,
          authorizationList: theirs,
        })
        expect(raw).toBe(expected)
        expect(hash).toBe(keccak256(expected))
      },
    ),
    // Enough for signatures whose r or s begins with zeros.
    { numRuns: 500 },
  )
}, 30_000)

test('a transaction that delegates nobody is an ordinary one', async () => {
  const key = fromHex(generatePrivateKey())
  const tx = {
    chainId: 1,
    nonce: 0,
    to: '0x0000000000000000000000000000000000000001' as const,
    data: '0x' as const,
    gas: 21_000n,
    fees: { maxFee: 2n, tip: 1n },
  }
  const settler = { key, address: addressOf(key) }
  const ordinary = await signTransaction(settler, tx)
  expect(ordinary.raw.slice(0, 4)).toBe('0x02')
  expect(await signTransaction(settler, { ...tx, authorizationList: [] })).toEqual(ordinary)
})

test('lists within lists are written as viem writes them', () => {
  const tree = fc.letrec<{ item: unknown; list: unknown }>((tie) => ({
    item: fc.oneof({ maxDepth: 4 }, fc.uint8Array({ maxLength: 70 }), tie('list')),
    list: fc.array(tie('item'), { maxLength: 6 }),
  })).list as fc.Arbitrary<RlpItem[]>
  fc.assert(
    fc.property(tree, (items) => {
      expect(toHex(rlpList(items))).toBe(toRlp(items as Uint8Array[]))
    }),
  )
  expect(toHex(rlpList([EMPTY_LIST, []]))).toBe('0xc2c0c0')
})

test('an account that is delegated is told from a contract', () => {
  const to = '0x402085c248eea27d92e8b30b2c58ed07f9e20001'
  expect(delegateOf(`0xef0100${to.slice(2).toUpperCase()}`)).toBe(to)
  expect(delegateOf(`0xef0100${to.slice(2)}00`)).toBeUndefined()
  expect(delegateOf('0x')).toBeUndefined()
  expect(delegateOf('0x6001')).toBeUndefined()
})

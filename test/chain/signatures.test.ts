import fc from 'fast-check'
import {
  hashTypedData,
  hexToBytes,
  parseSignature,
  serializeSignature,
  domainSeparator as viemSeparator,
} from 'viem'
import { privateKeyToAccount, sign as viemSign } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eip3009Abi } from '../../contracts-abi/eip3009.ts'
import type { ChainId, Hex } from '../../src/assets.ts'
import { createChain } from '../../src/chain/chain.ts'
import { addressOf, fromHex, nativeCurve, signDigest, toHex, viemCurve } from '../../src/chain/signatures.ts'
import {
  authorizationDigest,
  domainSeparator,
  receiptDigest,
  separatorHex,
} from '../../src/chain/typed-data.ts'
import { deployUsdc, type Localnet, localClient, startAnvil } from '../../src/cli/demo/localnet.ts'
import { RECEIPT_TYPES, type Receipt, receiptDomain } from '../../src/wire/receipt.ts'
import { TRANSFER_TYPES } from '../support/pay.ts'

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const native = nativeCurve()!

const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value): Hex => toHex(value))
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 })
const key = fc
  .bigInt({ min: 1n, max: ORDER - 1n })
  .map((value): Uint8Array => fromHex(`0x${value.toString(16).padStart(64, '0')}`))
const uint256 = fc.bigInt({ min: 0n, max: 2n ** 256n - 1n })

describe('the native curve and the one it stands in for', () => {
  test('the native build loads here, so that both are tested', () => {
    expect(nativeCurve()).toBeDefined()
  })

  test('sign alike and recover alike, and both as viem does, on 500 keys', async () => {
    await fc.assert(
      fc.asyncProperty(digest, key, async (hash, secret) => {
        const [one, other] = [await native.sign(hash, secret), await viemCurve.sign(hash, secret)]
        expect(toHex(one.rs)).toBe(toHex(other.rs))
        expect(one.parity).toBe(other.parity)
        const signature = await signDigest(hash, secret)
        expect(signature).toBe(
          serializeSignature(await viemSign({ hash: toHex(hash), privateKey: toHex(secret) })),
        )
        const signer = addressOf(secret)
        expect(await native.recover(hash, signature)).toBe(signer)
        expect(await viemCurve.recover(hash, signature)).toBe(signer)
      }),
      { numRuns: 500 },
    )
  })

  test('say the same of any 65 bytes', async () => {
    const v = fc.constantFrom('1b', '1c')
    const anything = fc.oneof(
      hex(65),
      fc.tuple(hex(64), v).map(([rs, end]): Hex => `${rs}${end}`),
      fc.tuple(hex(32), v).map(([r, end]): Hex => `${r}${'0'.repeat(64)}${end}`),
      fc.tuple(hex(32), v).map(([s, end]): Hex => `0x${'0'.repeat(64)}${s.slice(2)}${end}`),
      fc.constantFrom<Hex>(
        `0x${'f'.repeat(130)}`,
        `0x${'0'.repeat(128)}1b`,
        `0x${ORDER.toString(16)}${'1'.repeat(64)}1b`,
      ),
    )
    await fc.assert(
      fc.asyncProperty(digest, anything, async (hash, signature) => {
        expect(await native.recover(hash, signature)).toBe(await viemCurve.recover(hash, signature))
      }),
      { numRuns: 600 },
    )
  })

  test.each([native, viemCurve])('refuse every second spelling of a good signature', async (curve) => {
    const account = privateKeyToAccount(`0x${'42'.repeat(32)}`)
    const hash = fromHex(`0x${'24'.repeat(32)}`)
    const good = await account.sign({ hash: toHex(hash) })
    const { r, s, yParity } = parseSignature(good)
    const highS = serializeSignature({
      r,
      s: toHex(fromHex(`0x${(ORDER - BigInt(s)).toString(16).padStart(64, '0')}`)),
      yParity: 1 - yParity,
    })
    const body = good.slice(0, -2)
    expect(await curve.recover(hash, good)).toBe(account.address.toLowerCase())
    expect(await curve.recover(hash, `0x${good.slice(2).toUpperCase()}`)).toBe(account.address.toLowerCase())
    for (const bad of [
      highS,
      `${body}00`,
      `${body}01`,
      `${body}1d`,
      `${body}ff`,
      body,
      `${good}00`,
      '0x',
      'zz',
    ]) {
      expect(await curve.recover(hash, bad as Hex)).toBeUndefined()
    }
  })
})

describe('what is signed', () => {
  const address = hex(20)
  const name = fc.string({ maxLength: 40 })
  // viem leaves empty fields out of a domain; no token we know has one.
  const word = fc.string({ minLength: 1, maxLength: 40 })
  const asset = fc.record({ name: word, version: word, id: fc.integer({ min: 1 }), address })
  const authorization = fc.record({
    from: address,
    to: address,
    value: uint256,
    validAfter: uint256,
    validBefore: uint256,
    nonce: hex(32),
  })

  test('an authorization has the digest that every wallet signs', () => {
    fc.assert(
      fc.property(asset, authorization, ({ id, ...token }, message) => {
        const domain = {
          name: token.name,
          version: token.version,
          chainId: id,
          verifyingContract: token.address,
        }
        const chain: ChainId = `eip155:${id}`
        expect(separatorHex({ ...token, chain, symbol: '', decimals: 6, methods: [] })).toBe(
          viemSeparator({ domain }),
        )
        expect(toHex(authorizationDigest(domainSeparator({ ...token, chain }), message))).toBe(
          hashTypedData({ domain, types: TRANSFER_TYPES, primaryType: 'TransferWithAuthorization', message }),
        )
      }),
      { numRuns: 500 },
    )
  })

  test('a receipt has the digest that anyone computes from its published type', () => {
    const amount = uint256.map(String)
    const receipt: fc.Arbitrary<Receipt> = fc.record({
      callId: name,
      quoteId: name,
      issuedAt: fc.nat(),
      chain: fc.integer({ min: 1 }).map((id): ChainId => `eip155:${id}`),
      asset: address,
      payer: address,
      payTo: address,
      nonce: hex(32),
      quoted: amount,
      signed: amount,
      creditUsed: amount,
      charged: amount,
      credited: amount,
      modelAsked: name,
      modelAnswered: name,
      provider: name,
      inputTokens: fc.nat(),
      cachedTokens: fc.nat(),
      outputTokens: fc.nat(),
      usageSource: fc.constantFrom('reported', 'delivered'),
      outcome: fc.constantFrom('served', 'partial'),
      requestDigest: hex(32),
      responseDigest: hex(32),
      transaction: hex(32),
    })
    fc.assert(
      fc.property(receipt, ({ chain, ...told }) => {
        const id = Number(chain.slice('eip155:'.length))
        const message = {
          ...told,
          issuedAt: BigInt(told.issuedAt),
          inputTokens: BigInt(told.inputTokens),
          cachedTokens: BigInt(told.cachedTokens),
          outputTokens: BigInt(told.outputTokens),
          quoted: BigInt(told.quoted),
          signed: BigInt(told.signed),
          creditUsed: BigInt(told.creditUsed),
          charged: BigInt(told.charged),
          credited: BigInt(told.credited),
        }
        expect(toHex(receiptDigest(id, { ...told, chain }))).toBe(
          hashTypedData({ domain: receiptDomain(id), types: RECEIPT_TYPES, primaryType: 'Receipt', message }),
        )
      }),
      { numRuns: 300 },
    )
  })
})

describe('against a token on a chain', () => {
  let net: Localnet
  beforeAll(async () => {
    net = await startAnvil()
  })
  afterAll(() => net?.stop())

  test('the domain separator is the token’s own, and another name, version or number of decimals is told', async () => {
    const deployerKey = net.accounts[0]!.privateKey
    const { address } = await deployUsdc({ url: net.url, deployerKey, name: 'Bridged USDC', version: '1' })
    const id: ChainId = `eip155:${net.chainId}`
    const asset = {
      chain: id,
      address: address.toLowerCase() as Hex,
      symbol: 'USDC.e',
      decimals: 6,
      name: 'Bridged USDC',
      version: '1',
      methods: ['eip3009'],
    } as const
    const client = await localClient(net.url, deployerKey)
    const theirs = await client.readContract({ address, abi: eip3009Abi, functionName: 'DOMAIN_SEPARATOR' })
    expect(toHex(domainSeparator(asset))).toBe(theirs)
    const chain = createChain(id, [net.url])
    try {
      expect(await chain.checkAsset(asset)).toBeUndefined()
      expect(await chain.checkAsset({ ...asset, version: '2' })).toContain('EIP-712 domain differs')
      expect(await chain.checkAsset({ ...asset, name: 'USD Coin' })).toContain('EIP-712 domain differs')
      expect(await chain.checkAsset({ ...asset, decimals: 18 })).toBe('the token has 6 decimals')
      const nobody: Hex = `0x${'99'.repeat(20)}`
      expect(await chain.checkAsset({ ...asset, address: nobody })).toBe('there is no token at this address')
    } finally {
      await chain.close()
    }
  })
})

test('hex and bytes are each other’s inverse', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(fromHex(toHex(bytes))).toEqual(Buffer.from(bytes))
      expect(hexToBytes(toHex(bytes))).toEqual(bytes)
    }),
  )
})

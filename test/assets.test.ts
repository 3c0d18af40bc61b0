import { DEFAULT_ASSETS } from '@x402/evm'
import fc from 'fast-check'
import { getAddress } from 'viem'
import { usdc } from 'viem/tokens'
import { describe, expect, test } from 'vitest'
import { completeAsset } from '../src/assets/complete.ts'
import { CHAIN_NAMES, knownAsset, knownAssets, sameToken } from '../src/assets/known.ts'
import { assetKey, type ChainId, chainNumber, type Hex, toUnits, toUsd } from '../src/assets.ts'
import { separatorHex } from '../src/chain/typed-data.ts'
import type { Usd } from '../src/money.ts'

const many = { numRuns: 2_000 }
const usd = fc.bigInt(0n, 10n ** 24n - 1n).map((value) => value as Usd)

describe('dollars and token units', () => {
  const decimals = fc.nat(24)

  test('what we charge is rounded up: never below the price, and above it by less than a unit', () => {
    fc.assert(
      fc.property(usd, decimals, (value, decimals) => {
        // Compared in units of 10^-30 dollars, where both sides are whole.
        const price = value * 10n ** 24n
        const paid = toUnits(value, decimals) * 10n ** BigInt(30 - decimals)
        return paid >= price && paid - price < 10n ** BigInt(30 - decimals)
      }),
      many,
    )
  })

  test('what we credit is rounded down: never above the units, and below them by less than a micro-dollar', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 30n), decimals, (units, decimals) => {
        const worth = units * 10n ** BigInt(30 - decimals)
        const credited = toUsd(units, decimals) * 10n ** 24n
        return credited <= worth && worth - credited < 10n ** 24n
      }),
      many,
    )
  })

  test('there and back never costs the payer nor us a micro-dollar', () => {
    fc.assert(
      fc.property(
        usd,
        fc.integer({ min: 6, max: 24 }),
        (value, decimals) => toUsd(toUnits(value, decimals), decimals) === value,
      ),
      many,
    )
    fc.assert(
      fc.property(usd, decimals, (value, decimals) => toUsd(toUnits(value, decimals), decimals) >= value),
      many,
    )
  })

  test.each([
    [6, 50_000n, 50_000n],
    [18, 1n, 10n ** 12n],
    [2, 50_000n, 5n],
    [2, 50_001n, 6n],
    [0, 1n, 1n],
  ])('with %s decimals, %s micro-dollars are %s units', (decimals, value, units) => {
    expect(toUnits(value as Usd, decimals)).toBe(units)
  })
})

test('an asset is named by its chain and address', () => {
  expect(assetKey({ chain: 'eip155:8453', address: '0x833589fcd6edb6e08f4c7c32d4f71b54bda02913' })).toBe(
    'eip155:8453/0x833589fcd6edb6e08f4c7c32d4f71b54bda02913',
  )
  expect(chainNumber('eip155:8453')).toBe(8453)
})

describe('the tokens that Farebox knows', () => {
  // Copied with their checksums from the pages that the rows name; a slip in either copy fails.
  const tether: Record<string, string> = {
    'eip155:1 USDT': '0xdAC17F958D2ee523a2206206994597C13D831ec7',
    'eip155:43114 USDT': '0x9702230A8Ea53601f5cD2dc00fDBc13d4dF4A8c7',
    'eip155:42220 USDT': '0x48065fbBE25f71C9282ddf5e1cD6D6A887483D5e',
    'eip155:42161 USDT0': '0xFd086bC7CD5C481DCC9C85ebE478A1C0b69FCbb9',
    'eip155:10 USDT0': '0x01bFF41798a0BcF287b996046Ca68b395DbC1071',
    'eip155:137 USDT0': '0xc2132D05D31c914a87C6611C10748AEb04B58e8F',
    'eip155:8453 USDT': '0xfde4C96c8593536E31F229EA8f37b2ADa2699bb2',
    'eip155:10 USDT': '0x94b008aA00579c1307B0EF2c499aD98a8ce58e58',
    'eip155:56 USDT': '0x55d398326f99059fF775485246999027B3197955',
    'eip155:56 USDC': '0x8AC76a51cc950d9822D68b83fE1Ad97B32Cd580d',
  }

  test('each is listed once, in lower case, on a chain with a name, with the page it comes from', () => {
    expect(new Set(knownAssets.map(assetKey)).size).toBe(knownAssets.length)
    expect(new Set(knownAssets.map((row) => `${row.chain} ${row.symbol}`)).size).toBe(knownAssets.length)
    for (const row of knownAssets) {
      expect(row.address).toMatch(/^0x[0-9a-f]{40}$/)
      expect(CHAIN_NAMES[chainNumber(row.chain)]).toBeDefined()
      expect(URL.canParse(row.source)).toBe(true)
    }
  })

  test('each address is the checksummed one of another list', () => {
    const circle: Readonly<Record<number, string>> = usdc.addresses
    const theirs = (chain: ChainId, symbol: string) =>
      tether[`${chain} ${symbol}`] ?? (symbol === 'USDC' ? circle[chainNumber(chain)] : undefined)
    expect(knownAssets.map((row) => getAddress(row.address))).toEqual(
      knownAssets.map((row) => theirs(row.chain, row.symbol)),
    )
  })

  test('is told as @x402/evm tells it, wherever that names the same token', () => {
    const named = Object.entries(DEFAULT_ASSETS).flatMap(([chain, assets]) =>
      (assets ?? []).map(
        (one) =>
          [assetKey({ chain: chain as ChainId, address: one.asset.toLowerCase() as Hex }), one] as const,
      ),
    )
    const theirs = new Map(named)
    const shared = knownAssets.filter((row) => theirs.has(assetKey(row)))
    expect(shared.length).toBeGreaterThanOrEqual(10)
    for (const row of shared) {
      const { name, version, decimals, symbol, assetTransferMethod } = theirs.get(assetKey(row))!
      expect({ name: row.name, version: row.version, decimals: row.decimals, symbol: row.symbol }).toEqual({
        name,
        version,
        decimals,
        symbol,
      })
      expect(row.methods[0]).toBe(assetTransferMethod ?? 'eip3009')
    }
  })

  test('has no rival in @x402/evm: where that names USDC or USDT on a chain of ours, it is our token', () => {
    for (const [chain, assets] of Object.entries(DEFAULT_ASSETS)) {
      for (const { asset, symbol } of assets ?? []) {
        const ours = knownAsset(chain as ChainId, symbol)
        if (ours) expect(getAddress(ours.address)).toBe(asset)
      }
    }
  })

  // DOMAIN_SEPARATOR() as the contracts answer, published by people who read them.
  test.each<[ChainId, string, Hex]>([
    ['eip155:1', 'USDC', '0x06c37168a7db5138defc7866392bb87a741f9b3d104deb5094588ce041cae335'],
    ['eip155:10', 'USDC', '0x26d9c34bb1a1c312f69c53b2d93b8be20faafba63af2438c6811713c9b1f933f'],
    ['eip155:137', 'USDC', '0xcaa2ce1a5703ccbe253a34eb3166df60a705c561b44b192061e28f2a985be2ca'],
    ['eip155:8453', 'USDC', '0x02fa7265e7c5d81118673727957699e4d68f74cd74b7db77da710fe8a2c7834f'],
    ['eip155:42161', 'USDC', '0x08d11903f8419e68b1b8721bcbe2e9fc68569122a77ef18c216f10b3b5112c78'],
    ['eip155:43114', 'USDC', '0xbbea200329a938bc3438984a49cb0732e66d66d7bd59c127abacc1710e77f7b3'],
    ['eip155:42220', 'USDC', '0xb2ce31d2838445fa765a491f550e7c78ac7280ab0f3bc9d6063a86df9c3fb578'],
    ['eip155:84532', 'USDC', '0x71f17a3b2ff373b803d70a5a07c046c1a2bc8e89c09ef722fcb047abe94c9818'],
    ['eip155:11155111', 'USDC', '0xb90e5057db141a932946e64d09ccb7ffc9b00bd79fec26f698d29af0c83320a6'],
    ['eip155:421614', 'USDC', '0x85944e1292d007732838d6eadfa67589b78ffcededbd4df60488d0af251308bb'],
    ['eip155:11155420', 'USDC', '0x09d038a3e46040fc37eb01174dbbcdb7981fbd8eafd9e1a857b1c67805dfb29e'],
    ['eip155:80002', 'USDC', '0x5cddc98319864e897e4469bd1d13c2288c677047b54b8cca12bd342adb6be9eb'],
    ['eip155:43113', 'USDC', '0xfe9fa105a0e9629446730e544caa6b8d05d8d4fc93451750dc50e2ddd6d374b3'],
    ['eip155:42161', 'USDT', '0x566af68fb471b22d6421762f84aa7bd761c670a2e4d5c8a47d4085d5957b127c'],
    ['eip155:42220', 'USDT', '0xbcb4d62e4834b598d0eacecd84c0b397a0254e077c41cf2143e394d5701d1088'],
    ['eip155:43114', 'USDT', '0xf6d4d20bf85d69d29f5cd682e5fb2884425e4aa291bb7318e203fd68c96cc0f4'],
  ])('on %s, %s signs under the domain that its contract answers', (chain, symbol, separator) => {
    expect(separatorHex(knownAsset(chain, symbol)!)).toBe(separator)
  })

  test('a token that has no domain is paid through Permit2 only', () => {
    const nameless = knownAssets.filter((row) => row.version === '')
    expect(nameless.every((row) => row.methods.join() === 'permit2' && !row.eip2612)).toBe(true)
    expect(knownAssets.every((row) => row.methods.length > 0)).toBe(true)
  })

  test('a dollar on BNB Smart Chain has 18 decimals', () => {
    expect(knownAssets.filter((row) => row.chain === 'eip155:56').map((row) => row.decimals)).toEqual([
      18, 18,
    ])
  })

  test('USDT is found where Tether calls it USDT0, and both where there are two', () => {
    expect(knownAsset('eip155:42161', 'USDT')?.symbol).toBe('USDT0')
    expect(knownAsset('eip155:42161', 'usd₮0')?.symbol).toBe('USDT0')
    expect(knownAsset('eip155:42220', 'USDT0')?.symbol).toBe('USDT')
    expect(knownAsset('eip155:10', 'USDT')?.address).not.toBe(knownAsset('eip155:10', 'USDT0')?.address)
    expect(knownAsset('eip155:8453', 'EURC')).toBeUndefined()
    expect(knownAsset('eip155:31337', 'USDC')).toBeUndefined()
  })

  test('a bridged token may be configured under its own name, and never as the one that its issuer redeems', () => {
    expect(sameToken('USDC.e', 'USDC')).toBe(true)
    expect(sameToken('USDC', 'USDC.e')).toBe(false)
    expect(sameToken('USDC', 'USDT')).toBe(false)
  })
})

describe('an asset as an operator writes it', () => {
  const address = `0x${'ab'.repeat(20)}` as const
  const baseUsdc = knownAsset('eip155:8453', 'USDC')!

  test('needs no more than its symbol where the table knows it', () => {
    expect(completeAsset('eip155:8453', { symbol: 'USDC' })).toEqual(baseUsdc)
    expect(completeAsset('eip155:8453', { symbol: 'usdc', address: baseUsdc.address })).toEqual(baseUsdc)
    expect(completeAsset('eip155:56', { symbol: 'USDT' })).toMatchObject({
      decimals: 18,
      methods: ['permit2'],
    })
  })

  test('keeps what the operator says', () => {
    expect(
      completeAsset('eip155:8453', { symbol: 'USDC', methods: ['eip3009'], decimals: undefined }),
    ).toEqual({
      ...baseUsdc,
      methods: ['eip3009'],
    })
  })

  test('at an address of its own is taken for a USDC like Circle’s when it says no more', () => {
    expect(completeAsset('eip155:31337', { symbol: 'USDC', address })).toEqual({
      chain: 'eip155:31337',
      symbol: 'USDC',
      address,
      decimals: 6,
      name: 'USD Coin',
      version: '2',
      methods: ['eip3009'],
      eip2612: false,
    })
  })

  test('needs no domain when it is paid through Permit2 alone', () => {
    expect(
      completeAsset('eip155:5', { symbol: 'XUSD', address, decimals: 6, methods: ['permit2'] }),
    ).toMatchObject({
      name: 'XUSD',
      version: '',
    })
  })

  test.each<[string, ChainId, Parameters<typeof completeAsset>[1]]>([
    [
      'of Base, Farebox knows only USDC, USDT: for EURC, set address, decimals, name, version and methods',
      'eip155:8453',
      { symbol: 'EURC' },
    ],
    [
      'of eip155:31337, Farebox knows no token: for USDC, set address, decimals, name, version and methods',
      'eip155:31337',
      { symbol: 'USDC' },
    ],
    [
      `XUSD at ${address} is not a token that Farebox knows on Base: set decimals, methods`,
      'eip155:8453',
      { symbol: 'XUSD', address },
    ],
    [
      `XUSD at ${address} is not a token that Farebox knows on Base: set name, version`,
      'eip155:8453',
      { symbol: 'XUSD', address, decimals: 6, methods: ['eip3009'] },
    ],
    [
      `${baseUsdc.address} is USDC on Base, not USDT: correct symbol or address`,
      'eip155:8453',
      { symbol: 'USDT', address: baseUsdc.address },
    ],
    [
      'USDT on Ethereum does not take eip3009: set methods: [permit2]',
      'eip155:1',
      { symbol: 'USDT', methods: ['eip3009', 'permit2'] },
    ],
  ])('or is told what is missing: %s', (told, chain, partial) => {
    expect(completeAsset(chain, partial)).toBe(told)
  })
})

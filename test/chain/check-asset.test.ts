import {
  decodeFunctionData,
  encodeAbiParameters,
  encodeFunctionResult,
  type Hex,
  pad,
  parseAbi,
  stringToHex,
} from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { knownAsset } from '../../src/assets/known.ts'
import type { Asset } from '../../src/assets.ts'
import { checkAsset, PERMIT2 } from '../../src/chain/check-asset.ts'
import { createRpc, type RpcCall, type RpcResult } from '../../src/chain/rpc.ts'
import { separatorHex } from '../../src/chain/typed-data.ts'
import { deployUsdc, type Localnet, startAnvil } from '../../src/cli/demo/localnet.ts'

const abi = parseAbi([
  'function decimals() view returns (uint8)',
  'function symbol() view returns (string)',
  'function paused() view returns (bool)',
  'function basisPointsRate() view returns (uint256)',
  'function DOMAIN_SEPARATOR() view returns (bytes32)',
  'function eip712Domain() view returns (bytes1, string, string, uint256, address, bytes32, uint256[])',
  'function authorizationState(address, bytes32) view returns (bool)',
  'function nonces(address) view returns (uint256)',
])

type Contract = {
  code?: Hex
  permit2?: Hex
  answers: Record<string, unknown>
  raw?: Record<string, RpcResult>
}

/** A node with one token on it: a function that has no answer reverts. */
const nodeWith =
  (contract: Contract) =>
  async (calls: RpcCall[]): Promise<RpcResult[]> =>
    calls.map(({ method, params }): RpcResult => {
      if (method === 'eth_getCode') {
        const value = params[0] === PERMIT2 ? (contract.permit2 ?? '0x60') : (contract.code ?? '0x60')
        return { ok: true, value }
      }
      const { functionName } = decodeFunctionData({ abi, data: (params[0] as { data: Hex }).data })
      const raw = contract.raw?.[functionName]
      if (raw) return raw
      const result = contract.answers[functionName]
      if (result === undefined) return { ok: false, message: 'execution reverted' }
      return { ok: true, value: encodeFunctionResult({ abi, functionName, result } as never) }
    })

const usdc: Asset = knownAsset('eip155:8453', 'USDC')!
const usdt: Asset = knownAsset('eip155:1', 'USDT')!
const usdt0: Asset = knownAsset('eip155:42161', 'USDT0')!

const asUsdc = (asset = usdc): Record<string, unknown> => ({
  decimals: asset.decimals,
  symbol: asset.symbol,
  paused: false,
  DOMAIN_SEPARATOR: separatorHex(asset),
  authorizationState: false,
  nonces: 0n,
})
const asUsdt = { decimals: 6, symbol: 'USDT', paused: false, basisPointsRate: 0n }
const without = (answers: Record<string, unknown>, ...names: string[]) =>
  Object.fromEntries(Object.entries(answers).filter(([name]) => !names.includes(name)))
const erc5267 = (name: string, fields: Hex = '0x0f') => [
  fields,
  name,
  '2',
  8453n,
  usdc.address,
  pad('0x'),
  [],
]

describe('a token that is what the configuration says', () => {
  test.each<[string, Asset, Contract]>([
    ['USDC', usdc, { answers: asUsdc() }],
    ['USDT on Ethereum, with no domain of its own', usdt, { answers: asUsdt }],
    ['USD₮0, which the table calls USDT0', usdt0, { answers: { ...asUsdc(usdt0), symbol: 'USD₮0' } }],
    [
      'USD₮0, configured as USDT',
      { ...usdt0, symbol: 'USDT' },
      { answers: { ...asUsdc(usdt0), symbol: 'USD₮0' } },
    ],
    ['a symbol in other letters', usdt, { answers: { ...asUsdt, symbol: 'USDt' } }],
    [
      'a symbol of 32 bytes, as old tokens have',
      usdt,
      { answers: asUsdt, raw: { symbol: { ok: true, value: stringToHex('USDT', { size: 32 }) } } },
    ],
    [
      'a domain that is told field by field',
      usdc,
      { answers: { ...without(asUsdc(), 'DOMAIN_SEPARATOR'), eip712Domain: erc5267('USD Coin') } },
    ],
    [
      'no Permit2 on a chain where it is not needed',
      { ...usdc, methods: ['eip3009'] },
      { answers: asUsdc(), permit2: '0x' },
    ],
    ['no pause and no fee', usdc, { answers: without(asUsdc(), 'paused', 'basisPointsRate') }],
  ])('passes: %s', async (_, asset, contract) => {
    expect(await checkAsset(nodeWith(contract), asset)).toBeUndefined()
  })
})

describe('a token that is something else is told in words', () => {
  test.each<[string, Asset, Contract]>([
    ['there is no token at this address', usdc, { answers: asUsdc(), code: '0x' }],
    ['there is no token at this address', usdc, { answers: without(asUsdc(), 'decimals') }],
    ['the token has 18 decimals', usdc, { answers: { ...asUsdc(), decimals: 18 } }],
    ['the token does not tell its symbol', usdc, { answers: without(asUsdc(), 'symbol') }],
    ['the token calls itself "WETH"', usdc, { answers: { ...asUsdc(), symbol: 'WETH' } }],
    ['the token calls itself "USDC.e"', usdc, { answers: { ...asUsdc(), symbol: 'USDC.e' } }],
    ['the token is paused: nobody can transfer it', usdc, { answers: { ...asUsdc(), paused: true } }],
    [
      'the token charges a fee on transfer: 10 basis points',
      usdt,
      { answers: { ...asUsdt, basisPointsRate: 10n } },
    ],
    ['the token has no EIP-712 domain separator', usdc, { answers: without(asUsdc(), 'DOMAIN_SEPARATOR') }],
    ['the EIP-712 domain differs: check name and version', { ...usdc, version: '1' }, { answers: asUsdc() }],
    ['the EIP-712 domain differs: check name and version', { ...usdc, name: 'USDC' }, { answers: asUsdc() }],
    ...(['USDC', '0x1f'] as const).map((wrong): [string, Asset, Contract] => [
      'the EIP-712 domain differs: check name and version',
      usdc,
      {
        answers: {
          ...without(asUsdc(), 'DOMAIN_SEPARATOR'),
          eip712Domain: wrong === '0x1f' ? erc5267('USD Coin', wrong) : erc5267(wrong),
        },
      },
    ]),
    [
      'the EIP-712 domain differs: check name and version',
      { ...usdt0, methods: ['permit2'], name: 'Tether USD' },
      { answers: asUsdc(usdt0) },
    ],
    [
      'the token does not answer authorizationState: it takes no EIP-3009 payments',
      usdc,
      { answers: without(asUsdc(), 'authorizationState') },
    ],
    ['Permit2 is not deployed on this chain', usdt, { answers: asUsdt, permit2: '0x' }],
    [
      'the token does not answer nonces: it takes no EIP-2612 permits',
      { ...usdc, methods: ['permit2'] },
      { answers: without(asUsdc(), 'nonces') },
    ],
  ])('%s', async (wrong, asset, contract) => {
    expect(await checkAsset(nodeWith(contract), asset)).toBe(wrong)
  })
})

test.each<[string, Contract]>([
  ['decimals', { answers: asUsdc(), raw: { decimals: { ok: false, message: 'no answer' } } }],
  [
    'paused',
    { answers: asUsdc(), raw: { paused: { ok: false, message: 'execution aborted (timeout = 5s)' } } },
  ],
])(
  'a node that fails to answer %s says nothing against the token, and nothing for it',
  async (_, contract) => {
    await expect(checkAsset(nodeWith(contract), usdc)).rejects.toMatchObject({ code: 'chain_unavailable' })
  },
)

test('a symbol that cannot be read is no symbol', async () => {
  const value = encodeAbiParameters([{ type: 'uint256[]' }], [[1n, 2n]])
  const node = nodeWith({ answers: asUsdc(), raw: { symbol: { ok: true, value: `${value}00` } } })
  expect(await checkAsset(node, usdc)).toMatch(/^the token (does not tell its symbol|calls itself)/)
})

describe('on a chain', () => {
  let net: Localnet
  beforeAll(async () => {
    net = await startAnvil()
  })
  afterAll(() => net?.stop())

  test('a USDC-like token passes, and fails when it needs a Permit2 that is not there', async () => {
    const { address } = await deployUsdc({ url: net.url, deployerKey: net.accounts[0]!.privateKey })
    const rpc = createRpc([net.url], net.chainId)
    try {
      const asset: Asset = {
        ...usdc,
        chain: `eip155:${net.chainId}`,
        address: address.toLowerCase() as Hex,
        methods: ['eip3009'],
      }
      expect(await checkAsset(rpc.batch, asset)).toBeUndefined()
      const both: Asset = { ...asset, methods: ['eip3009', 'permit2'] }
      expect(await checkAsset(rpc.batch, both)).toBe('Permit2 is not deployed on this chain')
      await rpc.call('anvil_setCode', [PERMIT2, '0x60'])
      expect(await checkAsset(rpc.batch, both)).toBeUndefined()
      expect(await checkAsset(rpc.batch, { ...asset, chain: 'eip155:1' })).toMatch('domain differs')
    } finally {
      await rpc.close()
    }
  })
})

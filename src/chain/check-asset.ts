import { decodeAbiParameters, parseAbiParameters, toFunctionSelector } from 'viem'
import { sameToken } from '../assets/known.ts'
import { type Asset, chainNumber, type Hex } from '../assets.ts'
import { fail } from '../errors.ts'
import type { RpcCall, RpcResult } from './rpc.ts'
import { separatorHex } from './typed-data.ts'

/** Uniswap's Permit2, at one address on every chain. Source: github.com/Uniswap/permit2. */
export const PERMIT2: Hex = '0x000000000022d473030f116ddee9f6b43ac78ba3'

/**
 * What is wrong with a configured asset, in words; undefined when the contract says the same as the configuration. One
 * batch of calls. Throws `chain_unavailable` when the node says nothing that can be judged.
 */
export const checkAsset = async (
  batch: (calls: RpcCall[]) => Promise<RpcResult[]>,
  asset: Asset,
): Promise<string | undefined> => {
  const results = await batch([
    { method: 'eth_getCode', params: [asset.address, 'latest'] },
    { method: 'eth_getCode', params: [PERMIT2, 'latest'] },
    ...QUESTIONS.map((question) => read(asset.address, ASKED[question])),
  ])
  const [code, permit2, ...answers] = results
  const told = new Map(QUESTIONS.map((question, i) => [question, answers[i]]))
  return judgeAsset(asset, {
    hasCode: codeIn(code),
    hasPermit2: codeIn(permit2),
    answer: (question) => answerIn(told.get(question)),
  })
}

type Question = keyof typeof ASKED

/** What a chain told of a token: `answer` is the data that a call returned, undefined when it reverted or returned nothing. */
type Told = { hasCode: boolean; hasPermit2: boolean; answer: (question: Question) => Hex | undefined }

const judgeAsset = (asset: Asset, told: Told): string | undefined => {
  if (!told.hasCode) return 'there is no token at this address'
  return (
    wrongDecimals(asset, told) ??
    wrongSymbol(asset, told) ??
    wrongConduct(told) ??
    wrongDomain(asset, told) ??
    wrongMethods(asset, told)
  )
}

const wrongDecimals = (asset: Asset, { answer }: Told): string | undefined => {
  const decimals = wordOf(answer('decimals'))
  if (decimals === undefined || decimals > 255n) return 'there is no token at this address'
  return decimals === BigInt(asset.decimals) ? undefined : `the token has ${decimals} decimals`
}

const wrongSymbol = (asset: Asset, { answer }: Told): string | undefined => {
  const symbol = textOf(answer('symbol'))
  if (symbol === undefined) return 'the token does not tell its symbol'
  return sameToken(asset.symbol, symbol)
    ? undefined
    : `the token calls itself ${JSON.stringify(symbol.slice(0, 20))}`
}

const wrongConduct = ({ answer }: Told): string | undefined => {
  if (wordOf(answer('paused'))) return 'the token is paused: nobody can transfer it'
  const fee = wordOf(answer('basisPointsRate'))
  return fee ? `the token charges a fee on transfer: ${fee} basis points` : undefined
}

// What no signature is checked against needs no domain: Permit2 has its own.
const wrongDomain = (asset: Asset, { answer }: Told): string | undefined => {
  if (!asset.methods.includes('eip3009') && !asset.eip2612) return undefined
  const separator = answer('DOMAIN_SEPARATOR')
  const domain = separator === undefined ? domainOf(answer('eip712Domain')) : undefined
  if (separator === undefined && domain === undefined) return 'the token has no EIP-712 domain separator'
  const matches = domain ? isOurs(domain, asset) : separator?.toLowerCase() === separatorHex(asset)
  return matches ? undefined : 'the EIP-712 domain differs: check name and version'
}

const wrongMethods = (asset: Asset, { answer, hasPermit2 }: Told): string | undefined => {
  if (asset.methods.includes('eip3009') && wordOf(answer('authorizationState')) !== 0n)
    return 'the token does not answer authorizationState: it takes no EIP-3009 payments'
  if (asset.methods.includes('permit2') && !hasPermit2) return 'Permit2 is not deployed on this chain'
  if (asset.eip2612 && wordOf(answer('nonces')) === undefined)
    return 'the token does not answer nonces: it takes no EIP-2612 permits'
  return undefined
}

// An account and a nonce that nobody has signed with.
const NOBODY = PERMIT2.slice(2).padStart(64, '0')
const NEVER = 'f'.repeat(64)

const ASKED = {
  decimals: toFunctionSelector('decimals()'),
  symbol: toFunctionSelector('symbol()'),
  paused: toFunctionSelector('paused()'),
  basisPointsRate: toFunctionSelector('basisPointsRate()'),
  DOMAIN_SEPARATOR: toFunctionSelector('DOMAIN_SEPARATOR()'),
  eip712Domain: toFunctionSelector('eip712Domain()'),
  authorizationState: `${toFunctionSelector('authorizationState(address,bytes32)')}${NOBODY}${NEVER}`,
  nonces: `${toFunctionSelector('nonces(address)')}${NOBODY}`,
} as const satisfies Record<string, Hex>

const QUESTIONS = Object.keys(ASKED) as Question[]

const read = (to: Hex, data: Hex): RpcCall => ({ method: 'eth_call', params: [{ to, data }, 'latest'] })

const codeIn = (result: RpcResult | undefined): boolean => {
  if (!result?.ok) throw fail('chain_unavailable', { why: result?.message })
  return typeof result.value === 'string' && result.value.length > 2
}

// A revert is an answer: the token has no such function. Any other failure is the node's, and says nothing of the token.
const answerIn = (result: RpcResult | undefined): Hex | undefined => {
  if (result?.ok)
    return typeof result.value === 'string' && result.value.length > 2 ? (result.value as Hex) : undefined
  if (result && REVERTED.test(result.message)) return undefined
  throw fail('chain_unavailable', { why: result?.message })
}

const REVERTED = /revert|vm execution error|opcode|out of gas|invalid jump|stack underflow/i

const wordOf = (data: Hex | undefined): bigint | undefined =>
  data !== undefined && /^0x[0-9a-fA-F]{64}$/.test(data) ? BigInt(data) : undefined

/** A string, or the bytes32 that old tokens answer with. */
const textOf = (data: Hex | undefined): string | undefined => {
  if (data === undefined) return undefined
  if (data.length === 66) return Buffer.from(data.slice(2), 'hex').toString('utf8').replace(/\0+$/, '')
  try {
    return decodeAbiParameters([{ type: 'string' }], data)[0]
  } catch {
    return undefined
  }
}

const ERC5267 = parseAbiParameters(
  'bytes1 fields, string name, string version, uint256 chainId, address verifyingContract, bytes32 salt, uint256[] extensions',
)
/** The four fields that x402 signs: name, version, chainId, verifyingContract; and no salt. */
const FOUR_FIELDS = '0x0f'

const domainOf = (data: Hex | undefined) => {
  if (data === undefined) return undefined
  try {
    const [fields, name, version, chainId, contract] = decodeAbiParameters(ERC5267, data)
    return { fields, name, version, chainId, contract: contract.toLowerCase() }
  } catch {
    return undefined
  }
}

const isOurs = (domain: NonNullable<ReturnType<typeof domainOf>>, asset: Asset): boolean =>
  domain.fields === FOUR_FIELDS &&
  domain.name === asset.name &&
  domain.version === asset.version &&
  domain.chainId === BigInt(chainNumber(asset.chain)) &&
  domain.contract === asset.address

import { decodeAbiParameters, decodeFunctionData, parseAbi, toFunctionSelector } from 'viem'
import { batchSettlementAbi } from '../../contracts-abi/batch-settlement.ts'
import { eip3009Abi } from '../../contracts-abi/eip3009.ts'
import { multicall3Abi } from '../../contracts-abi/multicall3.ts'
import { x402ExactPermit2ProxyAbi, x402UptoPermit2ProxyAbi } from '../../contracts-abi/x402-proxies.ts'
import { type ChainId, chainNumber, type Hex } from '../assets.ts'
import {
  BATCH_SETTLEMENT,
  ERC3009_COLLECTOR,
  EXACT_PROXY,
  MULTICALL3,
  PERMIT2_COLLECTOR,
  UPTO_PROXY,
} from '../wire/contracts.ts'
import { channelIdOf } from './channel.ts'
import { depositNonce } from './deposit.ts'

/** An authorization that a transaction was sent to use; whether it did, its logs say. */
export type Spent = {
  kind: 'eip3009' | 'permit2' | 'upto'
  token: Hex
  payer: Hex
  /** Where its money goes. */
  payTo: Hex
  /** Units that it was to move. */
  amount: bigint
  nonce: Hex
}

const EXECUTOR = parseAbi(['function execute(bytes items)'])
const CONTRACT_3009 = parseAbi([
  'function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)',
])
const EXECUTE = toFunctionSelector('execute(bytes)')
const DEEPEST = 3

/** The authorizations in a transaction's calldata, those in batches too, in their order; none in calldata that we would not send. */
export const spentIn = (chain: ChainId, to: Hex, data: Hex, depth = 0): Spent[] => {
  if (depth > DEEPEST) return []
  try {
    return spent(chain, to, data, depth)
  } catch {
    return []
  }
}

const spent = (chain: ChainId, to: Hex, data: Hex, depth: number): Spent[] => {
  const inside = (target: Hex, inner: Hex) => spentIn(chain, lower(target), inner, depth + 1)
  if (to === MULTICALL3) {
    const { args } = decodeFunctionData({ abi: multicall3Abi, data })
    const [calls] = args as readonly [readonly { target: Hex; callData: Hex }[]]
    return calls.flatMap((call) => inside(call.target, call.callData))
  }
  if (to === EXACT_PROXY)
    return ofProxy('permit2', decodeFunctionData({ abi: x402ExactPermit2ProxyAbi, data }))
  if (to === UPTO_PROXY) return ofProxy('upto', decodeFunctionData({ abi: x402UptoPermit2ProxyAbi, data }))
  if (to === BATCH_SETTLEMENT) return ofChannels(chain, data, depth)
  if (data.startsWith(EXECUTE)) {
    const { args } = decodeFunctionData({ abi: EXECUTOR, data })
    return unpacked(args[0]).flatMap((item) => inside(item.target, item.data))
  }
  return ofToken(to, data)
}

/** The items of a batch as the executor reads them: 3 bytes of gas, 20 of target, 2 of length, and the data. */
const unpacked = (items: Hex): { target: Hex; data: Hex }[] => {
  const found: { target: Hex; data: Hex }[] = []
  for (let at = 2; at + 50 <= items.length; ) {
    const target: Hex = `0x${items.slice(at + 6, at + 46)}`
    const end = at + 50 + 2 * Number.parseInt(items.slice(at + 46, at + 50), 16)
    found.push({ target, data: `0x${items.slice(at + 50, end)}` })
    at = end
  }
  return found
}

type Named = { functionName: string; args?: readonly unknown[] | undefined }
type Permit = { permitted: { token: Hex; amount: bigint }; nonce: bigint }

// Both proxies, with a permit in front or not: exact (permit, owner, witness), upto (permit, amount, owner, witness).
const ofProxy = (kind: 'permit2' | 'upto', { functionName, args = [] }: Named): Spent[] => {
  if (functionName !== 'settle' && functionName !== 'settleWithPermit') return []
  const [permit, ...rest] = args.slice(functionName === 'settle' ? 0 : 1) as [Permit, ...unknown[]]
  const moved = kind === 'upto' ? (rest.shift() as bigint) : permit.permitted.amount
  const [owner, witness] = rest as [Hex, { to: Hex }]
  const token = lower(permit.permitted.token)
  return [
    { kind, token, payer: lower(owner), payTo: lower(witness.to), amount: moved, nonce: word(permit.nonce) },
  ]
}

const ofToken = (token: Hex, data: Hex): Spent[] => {
  const abi = [...eip3009Abi, ...CONTRACT_3009]
  const { functionName, args } = decodeFunctionData({ abi, data })
  if (functionName !== 'transferWithAuthorization') return []
  const [from, to, value, , , nonce] = args
  return [
    { kind: 'eip3009', token, payer: lower(from), payTo: lower(to), amount: value, nonce: lower(nonce) },
  ]
}

const ofChannels = (chain: ChainId, data: Hex, depth: number): Spent[] => {
  const { functionName, args } = decodeFunctionData({ abi: batchSettlementAbi, data })
  if (functionName === 'multicall')
    return args[0].flatMap((inner) => spentIn(chain, BATCH_SETTLEMENT, inner, depth + 1))
  if (functionName !== 'deposit') return []
  const [config, amount, collector, collectorData] = args
  const facts = { token: lower(config.token), payer: lower(config.payer), payTo: BATCH_SETTLEMENT, amount }
  if (lower(collector) === ERC3009_COLLECTOR) {
    const [, , salt] = decodeAbiParameters(ERC3009_DATA, collectorData)
    const nonce = depositNonce(channelIdOf(chainNumber(chain), config), word(salt))
    return [{ ...facts, kind: 'eip3009', nonce }]
  }
  if (lower(collector) !== PERMIT2_COLLECTOR) return []
  const [nonce] = decodeAbiParameters(PERMIT2_DATA, collectorData)
  return [{ ...facts, kind: 'permit2', nonce: word(nonce) }]
}

const UINT = { type: 'uint256' } as const
const BYTES = { type: 'bytes' } as const
const ERC3009_DATA = [UINT, UINT, UINT, BYTES] as const
const PERMIT2_DATA = [UINT, UINT, BYTES, BYTES] as const

const word = (n: bigint): Hex => `0x${n.toString(16).padStart(64, '0')}`
const lower = (hex: Hex): Hex => hex.toLowerCase() as Hex

import { toEventSelector } from 'viem'
import type { Hex } from '../assets.ts'
import { bytes, callData, selector } from './abi.ts'

/** One call that a delegated account makes for itself; `gas` is the most it may use, above 0 and below 2^24. */
export type BatchItem = { target: Hex; data: Hex; gas: bigint }

const EXECUTE = selector('execute(bytes)')
const FAILED = toEventSelector('Failed(uint256)')

/** Calldata for an account that runs `contracts/BatchExecutor.sol`, sent by the account to itself. */
export const execute = (items: readonly BatchItem[]): Hex =>
  callData(EXECUTE, bytes(`0x${items.map(packed).join('')}`))

const packed = ({ target, data, gas }: BatchItem): string => {
  const size = (data.length - 2) / 2
  if (gas <= 0n || gas >= 1n << 24n || size >= 1 << 16) throw new RangeError('not an item of a batch')
  return `${digits(gas, 6)}${target.slice(2).toLowerCase()}${digits(size, 4)}${data.slice(2)}`
}

const digits = (value: bigint | number, length: number): string => value.toString(16).padStart(length, '0')

/** Indexes of the items that did nothing, from the logs of an included batch sent by `account`. */
export const failedItems = (
  account: Hex,
  logs: readonly { address: string; topics: readonly string[] }[],
): number[] =>
  logs.flatMap(({ address, topics }) =>
    address.toLowerCase() === account && topics[0] === FAILED && topics[1] !== undefined
      ? [Number(topics[1])]
      : [],
  )

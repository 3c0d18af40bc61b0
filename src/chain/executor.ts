import { toEventSelector } from 'viem'
import type { Hex } from '../assets.ts'
import { bytes, callData, list, pad, selector, struct, word } from './abi.ts'

/** One call that a delegated account makes for itself; `gas` is the most it may use, 0 leaves that to the executor. */
export type BatchItem = { target: Hex; data: Hex; gas: bigint }

const EXECUTE = selector('execute((address,bytes,uint256)[])')
const FAILED = toEventSelector('Failed(uint256)')

/** Calldata for an account that runs `contracts/BatchExecutor.sol`, sent by the account to itself. */
export const execute = (items: readonly BatchItem[]): Hex =>
  callData(EXECUTE, list(items.map(({ target, data, gas }) => struct(pad(target), bytes(data), word(gas)))))

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

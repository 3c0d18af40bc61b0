import { decodeAbiParameters } from 'viem'
import type { Hex } from '../assets.ts'
import { bytes, callData, list, pad, selector, struct, word } from './abi.ts'

/** One call of a Multicall3 batch; unless it may fail, its failure reverts the whole batch. */
export type BatchCall = { target: Hex; data: Hex; allowFailure: boolean }

const AGGREGATE3 = selector('aggregate3((address,bool,bytes)[])')

/** Calldata for `MULTICALL3`. The targets see Multicall3 as the sender, so nothing that asks who sends may go in. */
export const aggregate3 = (calls: readonly BatchCall[]): Hex =>
  callData(
    AGGREGATE3,
    list(
      calls.map(({ target, data, allowFailure }) =>
        struct(pad(target), word(allowFailure ? 1 : 0), bytes(data)),
      ),
    ),
  )

/** What each call of a simulated batch (`eth_call`) gave; `data` holds the revert of one that failed. */
export const aggregateResults = (answer: Hex): { ok: boolean; data: Hex }[] =>
  decodeAbiParameters(RESULTS, answer)[0].map(({ success, returnData }) => ({
    ok: success,
    data: returnData,
  }))

const RESULTS = [
  {
    type: 'tuple[]',
    components: [
      { name: 'success', type: 'bool' },
      { name: 'returnData', type: 'bytes' },
    ],
  },
] as const

import { encodeFunctionData, parseAbi } from 'viem'
import { expect, test } from 'vitest'
import { eip3009Abi } from '../../contracts-abi/eip3009.ts'
import type { Hex } from '../../src/assets.ts'
import { execute } from '../../src/chain/executor.ts'
import { aggregate3 } from '../../src/chain/multicall.ts'
import { settleExact, settleUpto } from '../../src/chain/permit2.ts'
import { type Spent, spentIn } from '../../src/chain/spent.ts'
import { EXACT_PROXY, MULTICALL3, UPTO_PROXY } from '../../src/wire/contracts.ts'

const address = (n: number): Hex => `0x${n.toString(16).padStart(40, '0')}`
const word = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`
const [PAYER, PAY_TO, TOKEN, SETTLER] = [0xa, 0x9a7, 0x70c, 0x5e7].map(address) as [Hex, Hex, Hex, Hex]
const SIGNATURE: Hex = `0x${'11'.repeat(64)}1b`

const terms = (nonce: number) => ({
  token: TOKEN,
  from: PAYER,
  to: PAY_TO,
  value: 100n,
  validAfter: 0n,
  validBefore: 9n,
  nonce: word(nonce),
  signature: SIGNATURE,
})
const exact = (nonce: number) => settleExact(terms(nonce))
const upto = (nonce: number) => settleUpto({ ...terms(nonce), amount: 40n, facilitator: SETTLER })
const transfer = (nonce: number) =>
  encodeFunctionData({
    abi: eip3009Abi,
    functionName: 'transferWithAuthorization',
    args: [PAYER, PAY_TO, 100n, 0n, 9n, word(nonce), 27, word(1), word(2)],
  })
const spent = (kind: Spent['kind'], nonce: number, amount = 100n): Spent => ({
  kind,
  token: TOKEN,
  payer: PAYER,
  payTo: PAY_TO,
  amount,
  nonce: word(nonce),
})
const permit = { value: 5n, deadline: 6n, signature: SIGNATURE }
const all = [spent('eip3009', 1), spent('permit2', 2), spent('upto', 3, 40n)]
const targets = [
  { target: TOKEN, data: transfer(1) },
  { target: EXACT_PROXY, data: exact(2) },
  { target: UPTO_PROXY, data: upto(3) },
]

const cases: [what: string, to: Hex, data: Hex, found: Spent[]][] = [
  ['a token’s own authorization', TOKEN, transfer(1), [spent('eip3009', 1)]],
  ['an exact payment by Permit2', EXACT_PROXY, exact(2), [spent('permit2', 2)]],
  ['one with an allowance', EXACT_PROXY, settleExact(terms(2), permit), [spent('permit2', 2)]],
  ['an upto payment, of which less moves', UPTO_PROXY, upto(3), [spent('upto', 3, 40n)]],
  [
    'one with an allowance',
    UPTO_PROXY,
    settleUpto({ ...terms(3), amount: 40n, facilitator: SETTLER }, permit),
    [spent('upto', 3, 40n)],
  ],
  [
    'a batch by Multicall3',
    MULTICALL3,
    aggregate3(targets.map((one) => ({ ...one, allowFailure: true }))),
    all,
  ],
  [
    'a batch by the settler’s own account',
    SETTLER,
    execute(targets.map((one) => ({ ...one, gas: 90_000n }))),
    all,
  ],
  [
    'a plain transfer',
    TOKEN,
    encodeFunctionData({
      abi: parseAbi(['function transfer(address to, uint256 amount)']),
      args: [PAY_TO, 1n],
    }),
    [],
  ],
  ['nothing', SETTLER, '0x', []],
  ['calldata that is cut short', EXACT_PROXY, exact(2).slice(0, 300) as Hex, []],
]

test.each(cases)('the authorizations are found in %s', (_, to, data, found) => {
  expect(spentIn('eip155:8453', to, data)).toEqual(found)
})

test('batches in batches end', () => {
  let data = aggregate3([{ target: TOKEN, data: transfer(1), allowFailure: true }])
  expect(spentIn('eip155:8453', MULTICALL3, data)).toHaveLength(1)
  for (let depth = 0; depth < 10; depth++)
    data = aggregate3([{ target: MULTICALL3, data, allowFailure: true }])
  expect(spentIn('eip155:8453', MULTICALL3, data)).toEqual([])
})

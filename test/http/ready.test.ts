import { expect, test } from 'vitest'
import type { NodeView } from '../../src/chain/nodes.ts'
import { type ChainFacts, judgeReady, type ReadyFacts } from '../../src/http/ready.ts'

const NOW = 1_700_000_000_000
const SETTLER = '0x5e77'
const GWEI = 1_000_000_000n
const HOUR = 3_600

type Change = Partial<Omit<NodeView, 'head'>> & { head?: Partial<NodeView['head']> }

const node = ({ head, ...change }: Change = {}): NodeView => ({
  chain: 'eip155:8453',
  gas: 10n ** 18n,
  ...change,
  head: { number: 1_000n, hash: '0xaa', timestamp: NOW / 1000 - 1, baseFee: GWEI, tip: 0n, ...head },
})
const chain = (change: Partial<ChainFacts> = {}): ChainFacts => ({
  id: 'eip155:8453',
  nodes: [node()],
  blockSeconds: 2,
  maxAgeSeconds: undefined,
  maxFee: 100n * GWEI,
  relayed: false,
  ...change,
})
const facts = (change: Partial<ReadyFacts> = {}): ReadyFacts => ({
  now: NOW,
  settler: SETTLER,
  store: { ms: 2, clockMs: undefined },
  chains: [chain()],
  ...change,
})
const old = (age: number, change: Partial<ChainFacts> = {}) =>
  facts({ chains: [chain({ nodes: [node({ head: { timestamp: NOW / 1000 - age } })], ...change })] })
const nodes = (...views: (NodeView | undefined)[]) => facts({ chains: [chain({ nodes: views })] })
const gas = (settlements: bigint, change: Partial<ChainFacts> = {}) =>
  facts({ chains: [chain({ nodes: [node({ gas: settlements * 90_000n * GWEI })], ...change })] })
const fee = (gwei: bigint) => nodes(node({ gas: 10n ** 20n, head: { baseFee: gwei * GWEI } }))
const store = (ms: number, clockMs?: number) => facts({ store: { ms, clockMs } })

const SICK: [string, ReadyFacts, string][] = [
  ['a ledger that is silent', facts({ store: undefined }), 'the ledger does not answer'],
  ['a store in another time', store(1, -31_000), 'our clock and that of the store are 31000 ms apart'],
  ['a chain that is silent', nodes(undefined, undefined), 'eip155:8453 does not answer'],
  ['a node of another chain', nodes(node({ chain: 'eip155:1' })), 'eip155:8453: rpc.0 serves eip155:1'],
  ['one such of two', nodes(node(), node({ chain: 'eip155:1' })), 'eip155:8453: rpc.1 serves eip155:1'],
  ['a chain that stands still', old(61), 'eip155:8453: its newest block is 61 s old'],
  ['a slow one', old(241, { blockSeconds: 12 }), 'eip155:8453: its newest block is 241 s old'],
  ['one older than was allowed', old(11, { maxAgeSeconds: 10 }), 'eip155:8453: its newest block is 11 s old'],
  ['our clock far behind', old(-61), "eip155:8453: our clock is 61 s behind the chain's"],
  ['no gas', gas(0n), `the settler ${SETTLER} has no gas on eip155:8453`],
  ['hardly any gas', gas(2n), `the settler ${SETTLER} has gas for 2 settlements on eip155:8453`],
  ['a fee too high', fee(101n), 'eip155:8453: the base fee of 101000000000 wei is above maxFeeGwei'],
]

test.each(SICK)('no money is taken with %s', (_, given, problem) => {
  expect(judgeReady(given)).toMatchObject({ ready: false, problems: [problem], warnings: [] })
})

const WELL: [string, ReadyFacts, string | undefined][] = [
  ['all in order', facts(), undefined],
  ['a slow ledger', store(251), 'the ledger took 251 ms to answer'],
  [
    'a store whose clock is a little off',
    store(1, 2_001),
    'our clock and that of the store are 2001 ms apart',
  ],
  ['a store whose clock is right', store(1, -2_000), undefined],
  ['one of two nodes', nodes(node(), undefined), 'eip155:8453: rpc.1 does not answer'],
  [
    'a node far behind another',
    nodes(node(), node({ head: { number: 991n } })),
    'eip155:8453: rpc.1 is 9 blocks behind',
  ],
  ['a node a little behind', nodes(node(), node({ head: { number: 992n } })), undefined],
  [
    'nodes on two forks',
    nodes(node(), node({ head: { hash: '0xbb' } })),
    'eip155:8453: rpc.1 has another block 1000',
  ],
  ['a block that is late', old(16), 'eip155:8453: its newest block is 16 s old'],
  ['a chain as slow as always', old(59, { blockSeconds: 12 }), undefined],
  ['a chain that was never seen before', old(60, { blockSeconds: undefined }), undefined],
  ['a chain that may stand still', old(HOUR, { maxAgeSeconds: 0 }), undefined],
  ['our clock a little behind', old(-16), "eip155:8453: our clock is 16 s behind the chain's"],
  ['little gas', gas(199n), `the settler ${SETTLER} has gas for 199 settlements on eip155:8453`],
  ['enough gas', gas(200n), undefined],
  [
    'no gas where somebody else settles',
    gas(0n, { relayed: true }),
    `the settler ${SETTLER} has no gas on eip155:8453`,
  ],
  [
    'a fee close to the limit',
    fee(76n),
    'eip155:8453: the base fee of 76000000000 wei is close to maxFeeGwei',
  ],
]

test.each(WELL)('money is taken with %s', (_, given, warning) => {
  const warnings = warning === undefined ? [] : [warning]
  expect(judgeReady(given)).toMatchObject({ ready: true, problems: [], warnings })
})

test('a chain on this machine makes blocks when it likes', () => {
  const still = node({ chain: 'eip155:31337', head: { timestamp: NOW / 1000 - HOUR } })
  const chains = [chain({ id: 'eip155:31337', nodes: [still] })]
  expect(judgeReady(facts({ chains }))).toMatchObject({ ready: true, warnings: [] })
})

test('while one chain can be paid on, what ails another is a warning and its check says no', () => {
  const other = chain({ id: 'eip155:137', nodes: [undefined] })
  const { ready, problems, warnings, checks } = judgeReady(facts({ chains: [other, chain()] }))
  expect({ ready, problems, warnings }).toEqual({
    ready: true,
    problems: [],
    warnings: ['eip155:137 does not answer'],
  })
  expect([checks.chains?.['eip155:137']?.ok, checks.chains?.['eip155:8453']?.ok]).toEqual([false, true])
  const both = judgeReady(facts({ chains: [other, chain({ nodes: [undefined] })] }))
  expect(both.problems).toEqual(['eip155:137 does not answer', 'eip155:8453 does not answer'])
})

test('the checks say in numbers what was looked at, and name no node by its address', () => {
  expect(judgeReady(facts({ store: { ms: 3, clockMs: 12 } })).checks).toEqual({
    store: { ok: true, ms: 3, clockMs: 12 },
    chains: {
      'eip155:8453': {
        ok: true,
        block: '1000',
        ageSeconds: 1,
        blockSeconds: 2,
        baseFeeWei: '1000000000',
        settlements: '11111',
        nodes: [{ ok: true, chain: 'eip155:8453', block: '1000' }],
      },
    },
  })
})

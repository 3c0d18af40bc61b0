import { expect, test } from 'vitest'
import { type Evidence, judge, type Shown, type Word } from './oracle.ts'

const whole: Word = { at: 20, status: 200, whole: true, bytes: 9, own: true }
const word = (status: number, code?: string): Word => ({
  at: 20,
  status,
  whole: false,
  bytes: 0,
  ...(code !== undefined && { code }),
})
const told = (charged: bigint, more: Partial<NonNullable<Shown['told']>> = {}) => ({
  charged,
  refunded: 0n,
  service: 'served',
  settlement: 'settled',
  ...more,
})
const ann: Shown = {
  tag: 't1',
  payer: '0xann',
  way: 'exact-3009',
  nonce: '0x01',
  signed: 600n,
  stream: false,
  words: [whole],
  told: told(14n),
}
const paid = { payer: '0xann', units: 600n, nonce: '0x01', at: 30 }
const asked = { tag: 't1', by: 0, at: 10, ended: 15, outcome: 'whole' } as const

const run = (more: Partial<Evidence> = {}) =>
  judge({ moved: [paid], asked: [asked], shown: [ann], price: 14n, limit: 1000n, lost: false, ...more })

test('one call, served once and paid once, is well', () => {
  expect(run()).toEqual({
    problems: [],
    doubles: 0n,
    forgotten: 0n,
    unpaidMost: 600n,
    unpaidEver: 0n,
    given: 0,
    served: 1,
    transfers: 1,
  })
})

test('a call that the provider answered twice is seen, also when only one answer arrived', () => {
  expect(run({ asked: [asked, { ...asked, at: 12 }] }).problems[0]).toContain('served twice')
  expect(run({ shown: [{ ...ann, words: [whole, whole] }] }).problems[0]).toContain('served twice')
  expect(run({ asked: [{ ...asked, outcome: 'failed' }, asked] }).problems).toEqual([])
  // An instance that waited in vain asks again; two instances may never ask for the same.
  expect(run({ asked: [asked, { ...asked, at: 2500 }] }).problems).toEqual([])
  expect(run({ asked: [asked, { ...asked, at: 2500, by: 1 }] }).problems[0]).toContain('served twice')
})

test('after the store lost something, double service is forgiven up to the limit and no further', () => {
  const asks = (times: number) => Array.from({ length: times }, () => asked)
  expect(run({ lost: true, asked: asks(2) })).toMatchObject({ problems: [], doubles: 14n })
  expect(run({ lost: true, asked: asks(3), limit: 20n }).problems[0]).toContain('28 units, limit 20')
})

test('one authorization that moved twice is seen', () => {
  expect(run({ moved: [paid, paid] }).problems).toContain('exact-3009 t1: 2 transfers')
  const upto: Shown = { ...ann, way: 'upto' }
  delete upto.nonce
  const moved = { payer: '0xann', units: 14n, at: 30 }
  expect(run({ shown: [upto], moved: [moved] }).problems).toEqual([])
  expect(run({ shown: [upto], moved: [moved, moved] }).problems).toContain('upto t1: 2 transfers')
})

test('money that nobody signed for, or more than was signed, is seen', () => {
  expect(run({ moved: [paid, { ...paid, payer: '0xbob' }] }).problems[0]).toContain('0xbob')
  expect(run({ moved: [{ ...paid, units: 700n }] }).problems[0]).toContain('700 moved, 600 signed')
})

test('unpaid service above the limit at any moment is seen, though all of it is paid later', () => {
  const many = ['a', 'b'].map((name) => ({ ...ann, tag: name, payer: name }))
  const asks = many.map(({ tag }) => ({ ...asked, tag }))
  const late = many.map(({ payer }) => ({ ...paid, payer }))
  expect(run({ shown: many, asked: asks, moved: late }).problems[0]).toBe(
    'unpaid service of 1200, limit 1000',
  )
  const turns = [asks[0]!, { ...asks[1]!, at: 40, ended: 45 }]
  expect(run({ shown: many, asked: turns, moved: [late[0]!, { ...late[1]!, at: 50 }] })).toMatchObject({
    problems: [],
    unpaidMost: 600n,
  })
  // Once the provider has answered, only what the answer costs is at risk.
  expect(
    run({ shown: many, asked: [asks[0]!, { ...asks[1]!, at: 16, ended: 25 }], moved: late }).unpaidMost,
  ).toBe(614n)
  const before = late.map((one) => ({ ...one, at: 5 }))
  expect(run({ shown: many, asked: asks, moved: before }).unpaidMost).toBe(0n)
})

test('an answer that is never paid is seen', () => {
  expect(run({ moved: [] }).problems[0]).toContain('answered and never paid')
  expect(run({ moved: [], short: true, limit: 13n }).problems.at(-1)).toContain('14 units, limit 13')
  expect(run({ moved: [], lost: true })).toMatchObject({ problems: [], unpaidEver: 14n })
})

test('a payment that is on the chain, and neither answered nor credited, is seen', () => {
  const lost = { ...ann, words: [word(0)] }
  const silent: Shown = { ...lost }
  delete silent.told
  expect(run({ shown: [silent] }).problems[0]).toContain('neither answered nor credited')
  expect(run({ shown: [lost] }).problems[0]).toContain('neither answered nor credited')
  expect(run({ shown: [{ ...lost, told: told(14n, { refunded: 14n }) }] }).problems).toEqual([])
  expect(run({ shown: [{ ...lost, told: told(0n) }] }).problems).toEqual([])
  expect(run({ shown: [silent], lost: true })).toMatchObject({ problems: [], forgotten: 600n })
})

test('a call that was refused and charged all the same is seen', () => {
  for (const last of [
    word(402, 'insufficient_funds'),
    word(409, 'payment_released'),
    word(503, 'ledger_unavailable'),
  ]) {
    const problems = run({ shown: [{ ...ann, words: [last] }], moved: [] }).problems
    expect(problems).toEqual([`exact-3009 t1: refused (${last.code}) and charged 14`])
  }
})

test('an answer of another call, an answer from nowhere, too high a charge and a bug are seen', () => {
  expect(run({ shown: [{ ...ann, words: [{ ...whole, own: false }] }] }).problems[0]).toContain(
    'another call',
  )
  expect(run({ asked: [] }).problems[0]).toContain('the provider never')
  expect(run({ shown: [{ ...ann, told: told(15n) }] }).problems[0]).toContain('charged 15')
  expect(
    run({ shown: [{ ...ann, told: told(601n), words: [{ ...whole, whole: false }] }] }).problems[0],
  ).toContain('charged 601')
  expect(run({ shown: [{ ...ann, words: [word(500, 'internal'), whole] }] }).problems[0]).toContain(
    'internal',
  )
})

test('part of an answer that broke off with its instance may be given away', () => {
  const part = { ...whole, whole: false }
  const cut = { ...asked, outcome: 'cut' as const }
  const shown = [{ ...ann, words: [part], told: told(0n, { service: 'partial', settlement: 'none' }) }]
  expect(run({ shown, asked: [cut], moved: [] })).toMatchObject({ problems: [], given: 1, served: 0 })
})

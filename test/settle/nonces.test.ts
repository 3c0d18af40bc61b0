import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { createNonces } from '../../src/settle/nonces.ts'

const SHORT = 15_000
const MINUTE = 60_000

const setup = (first = 0) => {
  let now = 0
  const nonces = createNonces({ ...systemClock, now: () => now })
  nonces.atLeast(first)
  const pass = (ms: number) => {
    now += ms
  }
  return { ...nonces, pass }
}

test('nonces are taken in order, without a gap', () => {
  const nonces = setup(5)
  expect([nonces.take(), nonces.take(), nonces.take()]).toEqual([5, 6, 7])
})

test('one that is given back is the next to be taken, the lowest first', () => {
  const nonces = setup()
  for (let i = 0; i < 4; i++) nonces.take()
  nonces.giveBack(2)
  nonces.giveBack(1)
  expect([nonces.take(), nonces.take(), nonces.take()]).toEqual([1, 2, 4])
})

test('one that is given back and that others wait behind is a gap at once, and is not taken any more', () => {
  const nonces = setup()
  for (let i = 0; i < 3; i++) nonces.keep(nonces.take())
  nonces.take()
  nonces.keep(nonces.take())
  nonces.giveBack(3)
  expect(nonces.gaps(3, new Set([4]))).toEqual([3])
  expect(nonces.take()).toBe(5)
})

test('one that nobody waits behind is no gap', () => {
  const nonces = setup()
  nonces.keep(nonces.take())
  nonces.take()
  nonces.giveBack(1)
  expect(nonces.gaps(0, new Set([0]))).toEqual([])
  expect(nonces.gaps(0, new Set())).toEqual([])
  expect(nonces.take()).toBe(1)
})

test('one whose transaction is being stored is no gap, unless it is never heard of again', () => {
  const nonces = setup()
  nonces.take()
  nonces.keep(nonces.take())
  expect(nonces.gaps(0, new Set([1]))).toEqual([])
  nonces.pass(MINUTE)
  expect(nonces.gaps(0, new Set([1]))).toEqual([])
  nonces.pass(SHORT)
  expect(nonces.gaps(0, new Set([1]))).toEqual([0])
  nonces.giveBack(0)
  expect(nonces.take()).toBe(2)
})

test('a gap that we know nothing of is believed when it stays, not when a lagging node shows it once', () => {
  const nonces = setup(10)
  nonces.keep(nonces.take())
  const waiting = new Set([10])
  expect(nonces.gaps(8, waiting)).toEqual([])
  nonces.pass(SHORT)
  expect(nonces.gaps(10, waiting)).toEqual([])
  expect(nonces.gaps(8, waiting)).toEqual([])
  nonces.pass(SHORT)
  expect(nonces.gaps(8, waiting)).toEqual([8, 9])
  expect(nonces.gaps(8, waiting)).toEqual([8, 9])
})

test('those that an earlier process left to nobody are gaps at once, and are never taken', () => {
  const nonces = setup()
  nonces.resume(9, [5, 7])
  expect(nonces.gaps(5, new Set([6, 8]))).toEqual([5, 7])
  expect(nonces.take()).toBe(9)
  expect(nonces.gaps(7, new Set([8]))).toEqual([7])
})

test('a chain that is ahead of us decides where to go on', () => {
  const nonces = setup()
  nonces.take()
  nonces.take()
  nonces.giveBack(0)
  nonces.atLeast(7)
  expect(nonces.take()).toBe(7)
})

test('whatever is taken, kept and given back, no nonce is used twice and none is left out for good', () => {
  const step = fc.oneof(fc.constant('keep' as const), fc.constant('giveBack' as const))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const nonces = setup()
      const stored = new Set<number>()
      for (const what of steps) {
        const nonce = nonces.take()
        expect(stored.has(nonce)).toBe(false)
        nonces[what](nonce)
        if (what === 'keep') stored.add(nonce)
      }
      const gaps = nonces.gaps(0, stored)
      const last = Math.max(-1, ...stored)
      const all = [...stored, ...gaps].toSorted((a, b) => a - b)
      expect(all).toEqual(Array.from({ length: last + 1 }, (_, i) => i))
    }),
  )
})

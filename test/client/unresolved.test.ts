import { expect, test } from 'vitest'
import { readDemand } from '../../src/client/demand.ts'
import type { SignedPayment } from '../../src/client/payment.ts'
import { createUnresolved } from '../../src/client/unresolved.ts'
import { judge } from './buyer.ts'
import { jumpingClock, offer, TOKENS } from './router.ts'

const required = Buffer.from(JSON.stringify({ x402Version: 2, accepts: [offer()] })).toString('base64')
const found = judge({ assets: TOKENS }, readDemand(new Headers({ 'payment-required': required }), {})!)
const payment = (validBefore: number): SignedPayment => {
  if (!found.ok) throw new Error(found.hint)
  const hold = { spend: () => {}, release: () => {}, lower: () => {}, charge: () => {} }
  const { offer, quote } = found
  return {
    offer,
    quote,
    payer: '0x',
    nonce: '0x',
    validBefore,
    header: '',
    name: 'call',
    hold,
    lease: undefined,
    doubts: 0,
    callId: undefined,
  }
}

test('signatures left open are handed out one by one, oldest first, those that expired never', () => {
  const clock = jumpingClock()
  const now = Math.floor(clock.now() / 1000)
  const unresolved = createUnresolved(clock)
  const [dead, one, two] = [payment(now - 61), payment(now + 300), payment(now + 300)]
  unresolved.park('key', one)
  unresolved.park('key', dead)
  unresolved.park('key', two)
  expect(unresolved.take('other')).toBeUndefined()
  expect([unresolved.take('key'), unresolved.take('key'), unresolved.take('key')]).toEqual([
    one,
    two,
    undefined,
  ])
})

test('a signature that was left open is in doubt, whatever was known of it before', () => {
  const clock = jumpingClock()
  const unresolved = createUnresolved(clock)
  unresolved.park('key', payment(Math.floor(clock.now() / 1000) + 300))
  expect(unresolved.take('key')?.doubts).toBe(1)
})

test('a call that was paid in vain is barred for a minute', () => {
  const clock = jumpingClock()
  const unresolved = createUnresolved(clock)
  const error = new Error('lost')
  unresolved.bar('key', error)
  clock.jump(59_000)
  expect([unresolved.barred('key'), unresolved.barred('other')]).toEqual([error, undefined])
  clock.jump(1_001)
  expect(unresolved.barred('key')).toBeUndefined()
})

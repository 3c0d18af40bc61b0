import { expect, test } from 'vitest'
import { createAdmission, type Limits } from '../../src/admit/admit.ts'
import { type Buckets, memoryBuckets } from '../../src/admit/buckets.ts'
import { systemClock } from '../../src/clock.ts'
import { Refusal } from '../../src/errors.ts'

const rate = (burst: number) => ({ perSecond: 0.5, burst })
const LIMITS: Limits = {
  unpaid: { address: rate(2) },
  paid: { address: rate(3), payer: rate(1), key: rate(2) },
  signIn: {},
}
const refusalOf = async (admitted: () => void | Promise<void>): Promise<Refusal | undefined> => {
  try {
    await admitted()
    return undefined
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
}

const admissions: [string, Buckets][] = [
  ['at once', memoryBuckets({ clock: systemClock })],
  [
    'after asking',
    ((inner) => ({ take: async (...args) => inner.take(...args) }))(memoryBuckets({ clock: systemClock })),
  ],
]

test.each(admissions)(
  'who asks too much is refused with the time to come back and the limit it met: %s',
  async (_, buckets) => {
    const { admit, refused } = createAdmission({ limits: LIMITS, buckets })
    const ask = () => refusalOf(() => admit('unpaid', { address: '203.0.113.9' }))
    expect([await ask(), await ask()]).toEqual([undefined, undefined])
    const refusal = await ask()
    expect(refusal).toMatchObject({
      code: 'rate_limited',
      status: 429,
      details: {
        by: 'address',
        retryAfter: 2,
        policy: '"unpaid-address";q=2;w=4',
        limit: '"unpaid-address";r=0;t=2',
      },
    })
    expect(refused()).toEqual({ 'unpaid address': 1 })
    // Another kind, another address, another subject: other buckets.
    expect(await refusalOf(() => admit('paid', { address: '203.0.113.9' }))).toBeUndefined()
    expect(await refusalOf(() => admit('unpaid', { address: '203.0.113.8' }))).toBeUndefined()
    expect(await refusalOf(() => admit('paid', { payer: '203.0.113.9' }))).toBeUndefined()
  },
)

test.each(admissions)(
  'a request counts for each of its subjects, and any of them can refuse it: %s',
  async (name, buckets) => {
    const { admit } = createAdmission({ limits: LIMITS, buckets })
    const ask = (key: string) => refusalOf(() => admit('paid', { address: `${name} 1`, key }))
    expect(await ask('k')).toBeUndefined()
    expect(await ask('k')).toBeUndefined()
    expect((await ask('k'))?.details['by']).toBe('key')
    expect((await ask('l'))?.details['by']).toBe('address')
  },
)

test('where there is no limit nothing is counted', async () => {
  const { admit, refused } = createAdmission({
    limits: LIMITS,
    buckets: memoryBuckets({ clock: systemClock }),
  })
  for (let i = 0; i < 1_000; i++) await admit('signIn', { address: 'a' })
  expect(refused()).toEqual({})
})

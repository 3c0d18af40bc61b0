import { afterAll, beforeAll } from 'vitest'
import { sharedRedis } from '../support/redis.ts'
import { ledgerContract } from './contract.ts'
import { openRedisLedger } from './redis-ledger.ts'

let redis: Awaited<ReturnType<typeof sharedRedis>>
beforeAll(async () => {
  redis = await sharedRedis()
})
afterAll(() => redis.stop())

ledgerContract('the Redis', async () => {
  const ledger = await openRedisLedger(redis.url())
  return { ledger, close: ledger.close }
})

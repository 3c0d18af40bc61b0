import { randomBytes } from 'node:crypto'
import { systemClock } from '../../src/clock.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { redisLedger } from '../../src/ledger/redis.ts'
import { quietLog } from '../../src/log.ts'
import { openRedis } from '../../src/store/redis.ts'

/** A ledger in Redis as one instance opens it; closing it closes its connection. */
export const openRedisLedger = async (url: string, token: () => string = () => '*'): Promise<Ledger> => {
  const store = await openRedis({ url, log: quietLog })
  const writer = randomBytes(4).toString('hex')
  const ledger = await redisLedger({ store, clock: systemClock, log: quietLog, writer, token })
  const close = async () => {
    await ledger.close()
    await store.close()
  }
  const live = Object.getOwnPropertyDescriptors(ledger)
  return Object.defineProperties({}, { ...live, close: { value: close, enumerable: true } }) as Ledger
}

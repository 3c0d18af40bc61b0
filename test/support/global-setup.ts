import { redisServer } from './redis-server.ts'

/** Installs Redis once for all workers where that is possible; where it is not, the tests that need it say so themselves. */
export default async (): Promise<void> => {
  if (process.env['REDIS_URL'] === undefined) await redisServer().catch(() => {})
}

import { expect, test } from 'vitest'
import { buy } from '../support/pay.ts'
import { startRedis } from '../support/redis.ts'
import { goodAnswer } from '../support/upstream.ts'
import { hello, startWorld } from '../support/world.ts'

test.each([false, true])(
  'a call whose store is flushed while it is served is ended when the store has it again (stream: %s)',
  async (stream) => {
    const redis = await startRedis()
    const world = await startWorld({ store: `${redis.url}?name=flushed` as `redis://${string}` })
    try {
      world.upstream.script(async (about) => {
        await redis.cli('FLUSHALL')
        await goodAnswer(about)
      })
      const response = await buy(world.chat, await world.payer(), hello({ stream }))
      expect(response.status).toBe(503)
      const id = response.headers.get('x-farebox-call')!
      const stands = async () => (await world.farebox.deps.ledger.call(id))?.service.at
      // Sooner than the sweep that looks for claims of nobody.
      await expect.poll(stands, { timeout: 12_000, interval: 50 }).toBe('released')
      expect(await world.farebox.deps.ledger.open()).toEqual([])
    } finally {
      await world.close()
      await redis.stop()
    }
  },
  40_000,
)

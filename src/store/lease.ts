import { type Log, reasonOf } from '../log.ts'
import { LUA_NOW, type Store, script } from './store.ts'

/** One of several instances that does what only one may do. */
export type Lease = {
  /** What a write must show that only the holder may make; '' for who does not hold it. */
  token: () => string
  /** This instance holds it now, by its own clock with a margin. */
  isHeld: () => boolean
  /** Tries for it, keeps it, and says when it comes and goes: `gain` may reject, then it is given back. Resolves after the first try. */
  start: (on: Duties) => Promise<void>
  /** Ends what only the holder does, then gives the lease to whoever is next. */
  stop: () => Promise<void>
}

/** For a store of one instance: it holds the lease as long as it runs. */
export const ownLease = (): Lease => {
  let ends: (() => Promise<void>) | undefined
  return {
    token: () => '*',
    isHeld: () => true,
    start: async ({ gain, loss }) => {
      ends = loss
      await gain()
    },
    stop: async () => {
      await ends?.()
      ends = undefined
    },
  }
}

export type LeaseFacts = { store: Store; log: Log; holder: string; ttlMs?: number }

const TTL_MS = 5_000
/** So often what the lease is for is tried before somebody else may. */
const MOST_FAILURES = 4

type Duties = { gain: () => Promise<void>; loss: () => Promise<void> }

/**
 * A lease in Redis, by its clock. Each time it changes hands its token grows, so that what an earlier holder still writes
 * is refused; after the store was lost it grows too, for it is never below the time in ms.
 */
export const redisLease = ({ store, log, holder, ttlMs = TTL_MS }: LeaseFacts): Lease => {
  const keys = [`${store.prefix}lease`]
  let token = ''
  let until = 0
  let timer: NodeJS.Timeout | undefined
  let beating: Promise<void> | undefined
  let duties: Duties | undefined
  /** The token that the duties are done with; '' while they are not. */
  let atWork = ''
  let following: Promise<void> | undefined
  let failures = 0
  let stopping = false

  const isHeld = () => token !== '' && performance.now() < until

  const takeUp = async (): Promise<boolean> => {
    atWork = token
    log.info('lease_gained', { token })
    try {
      await duties?.gain()
      failures = 0
      return true
    } catch (error) {
      // A chain or a store that was slow once is tried again; who fails for good lets somebody else try.
      failures++
      log.error('lease_not_used', { why: reasonOf(error), failures })
      await layDown()
      if (failures % MOST_FAILURES === 0) await giveBack()
      return false
    }
  }

  const layDown = async (): Promise<void> => {
    log.warn('lease_lost')
    await duties?.loss().catch((error: unknown) => log.error('bug', { why: reasonOf(error) }))
    atWork = ''
  }

  /** Takes up and lays down, one after the other, until what is done is what the lease says; it is kept meanwhile. */
  const follow = async (): Promise<void> => {
    for (;;) {
      const wanted = isHeld() && !stopping ? token : ''
      if (atWork === wanted) return
      // A new token for the same holder: the store had forgotten it, and others may have written meanwhile.
      if (atWork !== '') await layDown()
      else if (!(await takeUp())) return
    }
  }

  const followed = (): Promise<void> => {
    following ??= follow().finally(() => {
      following = undefined
    })
    return following
  }

  const beat = async (): Promise<void> => {
    const asked = performance.now()
    const got = await store.run(TAKE, keys, [holder, ttlMs]).catch(() => undefined)
    if (typeof got === 'string') {
      token = got
      until = asked + ttlMs * 0.7
    }
    void followed()
  }

  const giveBack = async (): Promise<void> => {
    token = ''
    await store.run(GIVE_BACK, keys, [holder]).catch(() => {})
  }

  return {
    token: () => (isHeld() ? token : ''),
    isHeld,
    start: async (on) => {
      duties = on
      const next = (): Promise<void> => {
        beating = beat().finally(() => {
          if (duties) timer = setTimeout(next, ttlMs / 5)
        })
        return beating
      }
      await next()
      await following
    },
    stop: async () => {
      stopping = true
      await beating
      // Still ours while it ends: what waits is sent with our token. One that was under way may have looked before.
      await followed()
      await followed()
      duties = undefined
      clearTimeout(timer)
      await beating
      await giveBack()
    },
  }
}

/** KEYS: the lease. ARGV: who asks, for how many ms. Returns the token when it is theirs, else who has it in a list. */
const TAKE = script(`${LUA_NOW}local lease = redis.call('HMGET', KEYS[1], 'holder', 'until', 'token')
local mine = lease[1] == ARGV[1]
if lease[1] and lease[1] ~= '' and not mine and now < tonumber(lease[2]) then
  -- Its clock went back, or another server's is behind: nobody waits longer than a lease lasts.
  local most = now + ARGV[2]
  if tonumber(lease[2]) > most then redis.call('HSET', KEYS[1], 'until', string.format('%.0f', most)) end
  return {lease[1]}
end
local token = tonumber(lease[3] or '0')
if not mine then token = math.max(token + 1, now) end
local text = string.format('%.0f', token)
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'until', string.format('%.0f', now + ARGV[2]), 'token', text)
return text
`)

/** KEYS: the lease. ARGV: who gives it back. */
const GIVE_BACK = script(`
if redis.call('HGET', KEYS[1], 'holder') == ARGV[1] then redis.call('HSET', KEYS[1], 'holder', '', 'until', '0') end
`)

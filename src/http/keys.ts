import { createHash, timingSafeEqual } from 'node:crypto'
import type { Context } from 'hono'
import type { Env } from './send.ts'

/**
 * Whether a request may come in: with one of `keys` by `Authorization: Bearer`; where there are none, from this machine
 * and through no proxy.
 */
export const createDoor = (keys: readonly string[]): ((c: Context<Env>) => boolean) => {
  const digests = keys.map(digest)
  return (c) => (digests.length === 0 ? isLocal(c) : holdsKey(c.req.header('authorization'), digests))
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

const holdsKey = (header: string | undefined, digests: readonly Buffer[]): boolean => {
  const key = /^Bearer ([\x21-\x7e]{1,500})$/.exec(header ?? '')?.[1]
  if (key === undefined) return false
  const mine = digest(key)
  return digests.some((one) => timingSafeEqual(one, mine))
}

// Behind a proxy on this machine everybody looks local: whoever comes through one needs a key.
const isLocal = (c: Context<Env>): boolean => {
  const from = c.env?.incoming?.socket.remoteAddress ?? ''
  const proxied = ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via'].some(
    (name) => c.req.header(name) !== undefined,
  )
  return !proxied && /^(127\.|::1$|::ffff:127\.)/.test(from)
}

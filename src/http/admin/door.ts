import type { Context } from 'hono'
import type { Actor } from '../../accounts/roles.ts'
import { fail } from '../../errors.ts'
import type { Env } from '../send.ts'
import { challengeOf, enter, type SessionFacts } from './session.ts'

type Cookie = { cookie: string }

const MOST = 100

/** What the pages use to let people in and out, and to know them. */
export type PageDoor = {
  password: (c: Context<Env>, said: { login: string; password: string }) => Promise<Cookie>
  challenge: (c: Context<Env>, address: string) => Promise<{ message: string; nonce: string }>
  wallet: (c: Context<Env>, said: { message: string; signature: string }) => Promise<Cookie>
  /** Ends the session of the browser; to be called after its csrf token was checked. */
  out: (c: Context<Env>) => Promise<Cookie>
  /** Who looks at a page; undefined for who is not signed in. Refuses a POST that comes from elsewhere with `csrf_failed`. */
  visitorOf: (c: Context<Env>) => Promise<{ actor: Actor; csrf: string } | undefined>
}

/** The same doors as /admin/session, for pages. */
export const createPageDoor = (facts: Omit<SessionFacts, 'bodyLimit' | 'pages'>): PageDoor => {
  const { guard, desk, signIn } = facts
  const came = async (c: Context<Env>, said: Parameters<typeof enter>[2]): Promise<Cookie> => {
    guard.ownPage(c)
    return { cookie: guard.cookie((await enter(facts, c, said)).secret) }
  }
  return {
    password: async (c, { login, password }) => {
      if (login.length > MOST || password.length > 2 * MOST) throw fail('login_failed')
      return came(c, { name: login, password })
    },
    challenge: async (_, address) => challengeOf(signIn, address),
    wallet: (c, { message, signature }) => came(c, { message, signature }),
    out: async (c) => {
      const visitor = await guard.visitor(c)
      if (visitor?.session) await desk.run(visitor.actor, 'session.end', { id: visitor.session.id })
      return { cookie: guard.cookie() }
    },
    visitorOf: async (c) => {
      const visitor = await guard.visitor(c)
      if (!visitor?.session) return undefined
      if (c.req.method === 'POST') guard.ownPage(c)
      return { actor: visitor.actor, csrf: visitor.session.csrf }
    },
  }
}

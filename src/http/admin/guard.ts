/** Who asks the desk over HTTP: by the cookie of a session or by a token; and whether a change really comes from its pages. */
import type { Context } from 'hono'
import { isSame } from '../../accounts/password.ts'
import type { Actor } from '../../accounts/roles.ts'
import { LASTS, type Session, type Sessions } from '../../accounts/sessions.ts'
import type { Tokens } from '../../accounts/tokens.ts'
import type { Addresses } from '../../admit/address.ts'
import { fail } from '../../errors.ts'
import { type Env, headerOf } from '../send.ts'

/** `session` is undefined for who shows a token. */
export type Visitor = { actor: Actor; session: Session | undefined }

export type Guard = {
  /** Who asks; undefined when it is nobody that is known. A token that is shown and not known is nobody, whatever cookie is beside it. */
  visitor: (c: Context<Env>) => Promise<Visitor | undefined>
  /** The same, refusing nobody with `session_required`. */
  enter: (c: Context<Env>) => Promise<Visitor>
  /** Before every change: a session has to send its csrf token, by x-csrf-token or as `given` (the form field `_csrf`), from our own pages. Refuses with `csrf_failed`. */
  change: (c: Context<Env>, visitor: Visitor, given?: string) => void
  /** Refuses what another site made a browser send. */
  ownPage: (c: Context<Env>) => void
  /** The address that a request counts for. */
  addressOf: (c: Context<Env>) => string | undefined
  /** The secret in the cookie, as it was sent. */
  secretOf: (c: Context<Env>) => string | undefined
  /** The value of Set-Cookie that keeps a session, or without a secret ends it. */
  cookie: (secret?: string) => string
}

const COOKIE = 'fb_desk'

export type GuardFacts = { sessions: Sessions; tokens: Tokens; addresses: Addresses; publicUrl: string }

export const createGuard = ({ sessions, tokens, addresses, publicUrl }: GuardFacts): Guard => {
  const { origin, protocol } = new URL(publicUrl)
  const secure = protocol === 'https:' ? '; Secure' : ''

  const addressOf = (c: Context<Env>) =>
    addresses.subjectOf({
      remote: c.env?.incoming?.socket.remoteAddress,
      forwarded: headerOf(c, 'x-forwarded-for'),
    })

  const visitor = async (c: Context<Env>): Promise<Visitor | undefined> => {
    const from = addressOf(c)
    const shown = headerOf(c, 'authorization')
    // A proxy may have asked the browser for a password of its own.
    if (/^Bearer /i.test(shown ?? '')) {
      const actor = await tokens.find(/^Bearer (\S{1,100})$/i.exec(shown ?? '')?.[1] ?? '', from)
      return actor && { actor, session: undefined }
    }
    const secret = secretOf(c)
    const session = secret === undefined ? undefined : await sessions.find(secret, from)
    return session && { actor: session.actor, session }
  }

  const ownPage = (c: Context<Env>): void => {
    const site = headerOf(c, 'sec-fetch-site')
    const from = headerOf(c, 'origin')
    if (site !== undefined && site !== 'same-origin') throw fail('csrf_failed')
    // Behind a proxy the public name is ours; without one, the name that was asked for.
    const ours = [origin, `http://${headerOf(c, 'host')}`, `https://${headerOf(c, 'host')}`]
    if (from !== undefined && !ours.includes(from)) throw fail('csrf_failed')
  }

  return {
    visitor,
    enter: async (c) => {
      const found = await visitor(c)
      if (!found) throw fail('session_required')
      return found
    },
    change: (c, { session }, given) => {
      // No browser sends a token by itself.
      if (!session) return
      ownPage(c)
      const sent = headerOf(c, 'x-csrf-token') ?? given
      if (sent === undefined || !isSame(sent, session.csrf)) throw fail('csrf_failed')
    },
    ownPage,
    addressOf,
    secretOf,
    cookie: (secret) => {
      const age = secret === undefined ? 0 : LASTS / 1000
      return `${COOKIE}=${secret ?? ''}; Path=/admin; Max-Age=${age}; HttpOnly; SameSite=Strict${secure}`
    },
  }
}

const secretOf = (c: Context<Env>): string | undefined => {
  const found = new RegExp(`(?:^|;)\\s*${COOKIE}=([\\w-]{1,100})(?:;|$)`).exec(headerOf(c, 'cookie') ?? '')
  return found?.[1]
}

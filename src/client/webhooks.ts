/**
 * Webhooks as their receivers see them: signed as Standard Webhooks says (https://www.standardwebhooks.com), so that any
 * of its libraries can check them too.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

export type WebhookHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** What a webhook says; `time` in ms. The same `id` may come more than once, and events in any order. */
export type WebhookEvent = {
  id: string
  type: string
  time: number
  at: string
  path: string[]
  about: Record<string, unknown>
}

/** `why`: in words for a log; an unverified body is never given out. */
export type WebhookVerdict = { ok: true; event: WebhookEvent } | { ok: false; why: string }

export const SECRET_PREFIX = 'whsec_'
/** A signature counts for so long before and after the time that it is for, seconds. */
const TOLERANCE = 300
/** More signatures than a sender has secrets are not looked at. */
const MOST_SIGNATURES = 10

/**
 * Checks a webhook with the secret that its creation showed (or with several, while they change). `body`: its bytes as
 * they came, not parsed and printed again. `headers`: by their names in lower case, as node gives them. `now`: ms.
 */
export const verifyWebhook = (given: {
  secret: string | readonly string[]
  headers: WebhookHeaders
  body: string | Uint8Array
  now?: number
}): WebhookVerdict => {
  const { secret, headers, body, now = Date.now() } = given
  const [id, stamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => {
    const value = headers[name]
    return typeof value === 'string' ? value : undefined
  })
  if (!id || !stamp || !signatures) return no('a header is missing')
  if (!/^\d{1,12}$/.test(stamp)) return no('the timestamp is not a number of seconds')
  const age = Math.floor(now / 1_000) - Number(stamp)
  if (Math.abs(age) > TOLERANCE) return no(age > 0 ? 'the timestamp is too old' : 'the timestamp is too new')
  const text = typeof body === 'string' ? body : Buffer.from(body).toString('utf8')
  const secrets = typeof secret === 'string' ? [secret] : secret
  const wanted = secrets.map((one) => signWebhook({ secret: one, id, stamp, body: text }))
  const said = signatures.split(' ').slice(0, MOST_SIGNATURES)
  if (!said.some((one) => wanted.some((right) => isSame(one, right)))) return no('no signature is right')
  const event = parse(text)
  return event ? { ok: true, event } : no('the body is not an event')
}

/** One signature, `v1,` and base64. `stamp`: unix seconds, as the header says them. */
export const signWebhook = (what: { secret: string; id: string; stamp: string; body: string }): string => {
  const { secret, id, stamp, body } = what
  const key = Buffer.from(
    secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : secret,
    'base64',
  )
  // Anybody could sign with a key of no bytes.
  if (key.length === 0) throw new TypeError('The secret of a webhook must be whsec_ and base64.')
  return `v1,${createHmac('sha256', key).update(`${id}.${stamp}.${body}`).digest('base64')}`
}

const isSame = (one: string, other: string): boolean => {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}

const parse = (text: string): WebhookEvent | undefined => {
  try {
    const event: unknown = JSON.parse(text)
    if (typeof event === 'object' && event !== null && 'type' in event && 'id' in event)
      return event as WebhookEvent
  } catch {}
  return undefined
}

const no = (why: string): WebhookVerdict => ({ ok: false, why })

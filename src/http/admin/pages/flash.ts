import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Flash } from './scene.ts'

const NAME = 'farebox_said'
const MOST = 600

/** A line for the next page, as a cookie that only this session can have made; `csrf`: the session's own secret. */
export const flashCookie = (flash: Flash, csrf: string, secure: boolean): string => {
  const body = Buffer.from(JSON.stringify({ ...flash, text: flash.text.slice(0, MOST) })).toString(
    'base64url',
  )
  return `${NAME}=${body}.${sealOf(body, csrf)}; Path=/admin; Max-Age=60; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`
}

/** Takes it away once it was shown. */
export const noFlash = `${NAME}=; Path=/admin; Max-Age=0; HttpOnly; SameSite=Strict`

/** What a cookie header says; undefined when there is none, or it was made elsewhere. */
export const flashOf = (cookies: string | undefined, csrf: string): Flash | undefined => {
  const [, body, seal] =
    new RegExp(`(?:^|; )${NAME}=([\\w-]+)\\.([0-9a-f]+)(?:;|$)`).exec(cookies ?? '') ?? []
  if (body === undefined || seal === undefined) return undefined
  const ours = Buffer.from(sealOf(body, csrf))
  const given = Buffer.from(seal)
  if (ours.length !== given.length || !timingSafeEqual(ours, given)) return undefined
  return JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as Flash
}

const sealOf = (body: string, csrf: string): string =>
  createHmac('sha256', csrf).update(`farebox flash v1\n${body}`).digest('hex').slice(0, 32)

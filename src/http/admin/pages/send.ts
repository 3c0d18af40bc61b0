import type { Reply } from '../../../call/reply.ts'
import { noFlash } from './flash.ts'

const CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

const HEADERS = {
  'content-security-policy': CSP,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'same-origin',
  'cache-control': 'no-store',
}

/** A page as it is sent. `unflash`: its line at the top was shown and is not shown again. */
export const page = (
  html: string,
  { status = 200, unflash = false, cookie }: { status?: number; unflash?: boolean; cookie?: string } = {},
): Reply => {
  const set = cookie ?? (unflash ? noFlash : undefined)
  return {
    status,
    headers: {
      ...HEADERS,
      'content-type': 'text/html; charset=utf-8',
      ...(set !== undefined && { 'set-cookie': set }),
    },
    body: html,
  }
}

/** Sends a browser to another of our paths, to be asked for with GET. */
export const redirect = (to: string, cookie?: string): Reply => ({
  status: 303,
  headers: {
    ...HEADERS,
    location: isOurs(to) ? to : '/admin',
    ...(cookie !== undefined && { 'set-cookie': cookie }),
  },
  body: '',
})

/** Whether a text from a form is a path of these pages, and not the beginning of another host's address. */
export const isOurs = (path: string): boolean =>
  /^\/admin(?:[/?][\x21-\x7e]*)?$/.test(path) && !/[\\]|\/\//.test(path)

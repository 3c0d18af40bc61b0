import { createHmac, randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { rotated, signing } from '../../src/alerts/hook.ts'
import { verifyWebhook } from '../../src/client/index.ts'
import { signWebhook } from '../../src/client/webhooks.ts'

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const id = 'evt_1'
const stamp = '1614265330'
const now = 1_614_265_330_000
const body = '{"id":"evt_1","type":"hook.test","time":1,"about":{},"at":"site","path":[]}'

/** Signs as the words of the Standard Webhooks specification say, and by nothing of ours. */
const asSpecified = (secret: string, text: string, when = stamp) =>
  `v1,${createHmac('sha256', Buffer.from(secret.replace('whsec_', ''), 'base64'))
    .update(`${id}.${when}.${text}`)
    .digest('base64')}`

const headers = (more: Record<string, string> = {}) => ({
  'webhook-id': id,
  'webhook-timestamp': stamp,
  'webhook-signature': asSpecified(SECRET, body),
  ...more,
})

test('a signature is that of the published libraries', () => {
  const published = {
    secret: SECRET,
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    stamp,
    body: '{"test": 2432232314}',
  }
  expect(signWebhook(published)).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
  for (let i = 0; i < 50; i++) {
    const secret = `whsec_${randomBytes(32).toString('base64')}`
    expect(signWebhook({ secret, id, stamp, body })).toBe(asSpecified(secret, body))
  }
})

test('what was signed is taken, as text and as bytes', () => {
  const event = JSON.parse(body)
  expect(verifyWebhook({ secret: SECRET, headers: headers(), body, now })).toEqual({ ok: true, event })
  const bytes = Buffer.from(body)
  expect(verifyWebhook({ secret: SECRET, headers: headers(), body: bytes, now })).toEqual({ ok: true, event })
})

test.each([
  ['another body', { body: body.replace('1', '2') }],
  ['another secret', { secret: `whsec_${randomBytes(32).toString('base64')}` }],
  ['another id', { headers: headers({ 'webhook-id': 'evt_2' }) }],
  ['another time', { headers: headers({ 'webhook-timestamp': '1614265331' }) }],
  ['a time of 5 minutes and a second ago', { now: now + 301_000 }],
  ['a time 5 minutes and a second ahead', { now: now - 301_000 }],
  ['no number for a time', { headers: headers({ 'webhook-timestamp': '1614265330.0' }) }],
  [
    'a version that is not v1',
    { headers: headers({ 'webhook-signature': asSpecified(SECRET, body).replace('v1', 'v2') }) },
  ],
  [
    'a signature that is cut',
    { headers: headers({ 'webhook-signature': asSpecified(SECRET, body).slice(0, -1) }) },
  ],
  ['no signature', { headers: { 'webhook-id': id, 'webhook-timestamp': stamp } }],
])('%s is refused', (_, change) => {
  expect(verifyWebhook({ secret: SECRET, headers: headers(), body, now, ...change })).toMatchObject({
    ok: false,
  })
})

test('a time of just five minutes counts', () => {
  for (const at of [now + 300_000, now - 300_000])
    expect(verifyWebhook({ secret: SECRET, headers: headers(), body, now: at })).toMatchObject({ ok: true })
})

test('an empty secret is a mistake, and no key', () => {
  expect(() => verifyWebhook({ secret: 'whsec_', headers: headers(), body, now })).toThrow(TypeError)
})

test('while secrets change, the old and the new one both sign; then the old one no longer', () => {
  const old = `whsec_${randomBytes(32).toString('base64')}`
  const after = rotated({ secrets: [{ secret: old }] }, SECRET, now, 60_000)
  const sign = (at: number) =>
    signing(after, at)
      .map((secret) => asSpecified(secret, body))
      .join(' ')
  const check = (secret: string, at: number) =>
    verifyWebhook({ secret, headers: headers({ 'webhook-signature': sign(at) }), body, now }).ok
  expect([check(old, now + 59_999), check(SECRET, now + 59_999)]).toEqual([true, true])
  expect([check(old, now + 60_000), check(SECRET, now + 60_000)]).toEqual([false, true])
  expect(signing(rotated(after, 'whsec_YQ==', now, 0), now)).toEqual(['whsec_YQ=='])
})

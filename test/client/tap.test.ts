import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createTap } from '../../src/client/tap.ts'
import { sha256 } from './router.ts'

const BODY = 'data: {"a":"é ‒ [DONE]"}\n\n: a comment\r\n\ndata: {"b":1}\n\ndata: [DONE]\n\n'
const WHOLE = `${BODY}: PAYMENT-RESPONSE QUJD\n\n`

test('however a stream is cut into chunks, its digest and its receipt are the same', () => {
  const bytes = Buffer.from(WHOLE)
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
      const tap = createTap()
      let at = 0
      for (const cut of [...cuts, bytes.length].toSorted((a, b) => a - b)) {
        tap.see(bytes.subarray(at, cut))
        at = cut
      }
      expect([tap.digest(), tap.receipt(), tap.done()]).toEqual([sha256(BODY), 'QUJD', true])
    }),
  )
})

test('a stream without a receipt hashes to all of its bytes, the unfinished line too', () => {
  const tap = createTap()
  tap.see(Buffer.from('data: {"a":1}\n\ndata: {"b'))
  expect([tap.digest(), tap.receipt(), tap.done()]).toEqual([
    sha256('data: {"a":1}\n\ndata: {"b'),
    undefined,
    false,
  ])
})

test('[DONE] inside an answer does not end it', () => {
  const tap = createTap()
  tap.see(Buffer.from('data: {"content":"data: [DONE]"}\n\n'))
  expect(tap.done()).toBe(false)
})

test.each(['message_stop', 'error', 'response.completed', 'response.incomplete', 'response.failed'])(
  'the event %s ends a stream of its door',
  (name) => {
    const tap = createTap()
    tap.see(Buffer.from('event: response.output_text.done\ndata: {"text":"event: error"}\n\n'))
    expect(tap.done()).toBe(false)
    tap.see(Buffer.from(`event: ${name}\n`))
    expect(tap.done()).toBe(true)
  },
)

test('a line of a megabyte is hashed and not kept', () => {
  const long = `data: ${'x'.repeat(1 << 20)}\n\n`
  const tap = createTap()
  const bytes = Buffer.from(`${long}data: [DONE]\n\n: PAYMENT-RESPONSE QQ==\n\n`)
  for (let at = 0; at < bytes.length; at += 7_001) tap.see(bytes.subarray(at, at + 7_001))
  expect([tap.digest(), tap.receipt()]).toEqual([sha256(`${long}data: [DONE]\n\n`), 'QQ=='])
})

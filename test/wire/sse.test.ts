import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SseOverflow, sseComment, sseEvent, sseReader } from '../../src/wire/sse.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8')

/** Feeds `text` in pieces of the given sizes, over and over. */
const feed = (text: string, sizes: readonly number[]): { events: string[]; comments: string[] } => {
  const reader = sseReader()
  const all = bytes(text)
  const events: string[] = []
  for (let at = 0, i = 0; at < all.length; i++) {
    const size = sizes[i % sizes.length]!
    events.push(...reader.push(all.subarray(at, at + size)))
    at += size
  }
  return { events, comments: reader.comments() }
}

const line = fc.string({ unit: 'binary', maxLength: 30 }).map((text) => text.replace(/[\r\n]/g, ' '))
const breaks = fc.constantFrom('\n', '\r\n', '\r')
const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 })

test('events are the same however the network cuts the bytes and whichever line breaks the sender uses', () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), breaks, sizes, (datas, end, cuts) => {
      // The comment at the end shows that nothing of the last event is left waiting.
      const text = `${datas.map((data) => `data: ${data}${end}${end}`).join('')}: end${end}x`
      expect(feed(text, cuts)).toEqual({ events: datas, comments: ['end'] })
    }),
  )
})

test('an event of several data lines is one event, and other fields are passed over', () => {
  const text = 'event: message\nid: 7\ndata: a\ndata:b\nretry: 10\n\ndata\n\n: hello\n:\n\ndata: c\n\n'
  expect(feed(text, [3])).toEqual({ events: ['a\nb', 'c'], comments: ['hello', ''] })
})

test('what we write is what we read', () => {
  fc.assert(
    fc.property(fc.array(fc.json(), { maxLength: 5 }), sizes, (datas, cuts) => {
      const text = `${datas.map(sseEvent).join('')}${sseComment('receipt eyJhIjoxfQ==')}`
      expect(feed(text, cuts)).toEqual({ events: datas, comments: ['receipt eyJhIjoxfQ=='] })
    }),
  )
})

const pushAll = (piece: string, times: number, limit: number) => {
  const reader = sseReader(limit)
  const chunk = bytes(piece)
  for (let i = 0; i < times; i++) reader.push(chunk)
  return reader
}

test.each([
  ['a line that never ends', 'x'.repeat(1000)],
  ['a data line that never ends', 'data: '.padEnd(1000, 'x')],
  ['an event of endless data lines', 'data: 123456789\n'],
  ['an event of endless empty data lines', 'data:\n'],
])('%s is given up at the limit, not kept', (_, piece) => {
  expect(() => pushAll(piece, 20_000, 10_000)).toThrow(SseOverflow)
})

test('a provider that sends comments for ever does not fill the memory', () => {
  const reader = pushAll(': OPENROUTER PROCESSING\n\n', 20_000, 10_000)
  expect(reader.comments().length).toBeLessThan(100)
})

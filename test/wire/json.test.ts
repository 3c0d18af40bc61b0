import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Refusal } from '../../src/errors.ts'
import { decodeHeaderJson, encodeHeaderJson, parseJson } from '../../src/wire/json.ts'

const codeOf = (text: string): string => {
  try {
    parseJson(text)
    return 'parsed'
  } catch (error) {
    return error instanceof Refusal ? error.code : String(error)
  }
}

test('ordinary JSON parses to what JSON.parse makes of it', () => {
  const json = fc.json({ maxDepth: 5 }).filter((text) => !text.includes('__proto__'))
  fc.assert(
    fc.property(json, (text) => {
      expect(parseJson(text)).toEqual(JSON.parse(text))
    }),
  )
})

test('whatever the text, it is parsed or refused, never a crash', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', '\\', ',', ':', '1', ' ') }),
  )
  fc.assert(
    fc.property(text, (some) => {
      expect(['parsed', 'invalid_json', 'body_too_deep', 'unknown_field']).toContain(codeOf(some))
    }),
    { numRuns: 1000 },
  )
})

test.each([
  ['arrays 64 deep', `${'['.repeat(64)}${']'.repeat(64)}`, 'parsed'],
  ['arrays 65 deep', `${'['.repeat(65)}${']'.repeat(65)}`, 'body_too_deep'],
  ['arrays a million deep', '['.repeat(1_000_000), 'body_too_deep'],
  ['objects 100,000 deep', '{"a":'.repeat(100_000), 'body_too_deep'],
  ['100,000 values', `[${'1,'.repeat(99_999)}1]`, 'parsed'],
  ['200,000 values', `[${'1,'.repeat(199_999)}1]`, 'body_too_deep'],
  ['brackets inside a string', JSON.stringify('['.repeat(100_000)), 'parsed'],
  ['brackets after escaped quotes', JSON.stringify('\\"['.repeat(100)), 'parsed'],
  ['a string without its end', '"abc', 'invalid_json'],
  ['a string that ends in an escaped quote', '"abc\\"', 'invalid_json'],
  ['nothing', '', 'invalid_json'],
  ['two values', '{}{}', 'invalid_json'],
  ['a key that names a prototype', '{"a":{"__proto__":{"b":1}}}', 'unknown_field'],
  ['the same key, escaped', '{"__pr\\u006fto__":1}', 'unknown_field'],
  ['a text that talks about that key', JSON.stringify({ a: 'say {"__proto__": 1}' }), 'parsed'],
])('%s', (_, text, expected) => {
  expect(codeOf(text)).toBe(expected)
})

test('a long prompt full of escapes is scanned in linear time', () => {
  const text = JSON.stringify({ content: '"\\'.repeat(1_000_000) })
  const start = performance.now()
  parseJson(text)
  expect(performance.now() - start).toBeLessThan(2000)
})

test('a header carries any JSON, and base64url or missing padding reads the same', () => {
  const json = fc.jsonValue({ maxDepth: 3 }).filter((value) => !JSON.stringify(value).includes('__proto__'))
  fc.assert(
    fc.property(json, (value) => {
      const header = encodeHeaderJson(value)
      expect(header).toMatch(/^[A-Za-z0-9+/]+={0,2}$/)
      const want = JSON.parse(JSON.stringify(value))
      expect(decodeHeaderJson(header)).toEqual(want)
      const url = header.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
      expect(decodeHeaderJson(url)).toEqual(want)
    }),
  )
})

test('a header that is anything else is undefined', () => {
  for (const header of ['', ' ', 'e30= ', 'e30, e30', 'é', '{}', 'AAAA', '=', '====']) {
    expect(decodeHeaderJson(header), header).toBeUndefined()
  }
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (header) => {
      decodeHeaderJson(header)
    }),
  )
})

import { afterAll, beforeAll, expect, test } from 'vitest'
import { CLASSES, escaped, inputOf } from './inputs.ts'
import { explained, runFuzz } from './run.ts'
import { openSite, type Site } from './site.ts'
import { fillStock } from './stock.ts'

const COUNT = 20_000
const SEED = Number(process.env['SEED'] ?? 20_261_121)

let site: Site
beforeAll(async () => {
  site = await openSite()
})
afterAll(() => site?.close())

test('a seed and an index make the same input again', async () => {
  const stock = await fillStock(site.url, SEED)
  for (let index = 0; index < 300; index++) {
    const [one, two] = [await inputOf(SEED, index, stock), await inputOf(SEED, index, stock)]
    expect(two.kind).toBe(one.kind)
    // What is signed anew has a nonce of its own.
    if (/^(body|headers|paths|framing|head)/.test(one.kind))
      expect(escaped(Buffer.concat(two.writes))).toBe(escaped(Buffer.concat(one.writes)))
  }
})

test(`${COUNT} requests of strangers without money break nothing, cost nothing and get nothing`, {
  timeout: 240_000,
}, async () => {
  const fuzzed = await runFuzz({ target: site, seed: SEED, count: COUNT })
  expect(explained(fuzzed)).toEqual([])
  expect(fuzzed.sent).toBeGreaterThanOrEqual(COUNT)
  expect(Object.keys(fuzzed.kinds).toSorted()).toEqual(CLASSES.map(({ kind }) => kind).toSorted())
  // They got to where money is judged: prices, and payments whose payer has none.
  expect(fuzzed.kinds['valid but unfunded']?.statuses['402']).toBeGreaterThan(COUNT / 50)
  expect(await site.leave()).toEqual([])
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/clock.ts'
import { type Json, memoryRecords, type Put, type Range, type Records } from '../../src/store/records.ts'

/** Opens the same records again and again: a second one is what another process would open. */
export type Place = () => Promise<Records>

const put = (id: string, value: Json = id, rest: Partial<Put> = {}): Put => ({
  table: 'things',
  id,
  value,
  ...rest,
})
const idsOf = async (records: Records, range: Partial<Range> = {}, table = 'things') =>
  (await records.list(table, { limit: 100, ...range })).map(({ id }) => id)

/** What every twin of Records does. `place`: makes records that nobody has written yet. */
export const recordsContract = (place: () => Promise<Place>): void => {
  const fresh = async () => (await place())()

  test('many rows are written, or none', async () => {
    const records = await fresh()
    expect(await records.write([put('a'), put('b'), { ...put('c'), table: 'others' }])).toEqual({ ok: true })
    expect(await records.write([put('d'), put('b', 'new', { if: 7 }), put('a', 'new')])).toEqual({
      ok: false,
      stale: { table: 'things', id: 'b' },
    })
    expect(await records.many('things', ['d', 'b', 'a', 'b'])).toEqual([
      undefined,
      { id: 'b', value: 'b', version: 1 },
      { id: 'a', value: 'a', version: 1 },
      { id: 'b', value: 'b', version: 1 },
    ])
    expect(await idsOf(records, {}, 'others')).toEqual(['c'])
    expect(await records.write([])).toEqual({ ok: true })
  })

  test('a row is written only if it is as its writer saw it', async () => {
    const records = await fresh()
    const stale = { ok: false, stale: { table: 'things', id: 'a' } }
    expect(await records.write([put('a', 1, { if: 1 })])).toEqual(stale)
    expect(await records.write([put('a', 1, { if: 0 })])).toEqual({ ok: true })
    expect(await records.write([put('a', 2, { if: 0 })])).toEqual(stale)
    expect(await records.write([put('a', 2, { if: 1 })])).toEqual({ ok: true })
    expect(await records.write([{ table: 'things', id: 'a', drop: true, if: 1 }])).toEqual(stale)
    expect(await records.get('things', 'a')).toEqual({ id: 'a', value: 2, version: 2 })
    expect(await records.write([{ table: 'things', id: 'a', drop: true, if: 2 }])).toEqual({ ok: true })
    expect(await records.get('things', 'a')).toBeUndefined()
    expect(await records.write([put('a', 3, { if: 0 })])).toEqual({ ok: true })
    expect((await records.get('things', 'a'))?.version).toBe(1)
  })

  test('fifty who add one at the same time add fifty', async () => {
    const again = await place()
    const [one, other] = [await again(), await again()]
    const add = async (records: Records): Promise<void> => {
      const row = await records.get<number>('things', 'count')
      const next = put('count', (row?.value ?? 0) + 1, { if: row?.version ?? 0 })
      if ((await records.write([next])).ok) return
      await systemClock.sleep(Math.random() * 20)
      return add(records)
    }
    await Promise.all(Array.from({ length: 50 }, (_, i) => add(i % 2 ? one : other)))
    expect(await one.get('things', 'count')).toEqual({ id: 'count', value: 50, version: 50 })
  })

  test('rows are listed in the order of their ids, from either end', async () => {
    const records = await fresh()
    const ids = ['!', '-', '00', '01', '1', 'A', 'Z', 'a', 'a-', 'a1', 'ab', 'b', '~']
    await records.write(ids.toReversed().map((id) => put(id)))
    expect(await idsOf(records)).toEqual(ids)
    expect(await idsOf(records, { backwards: true })).toEqual(ids.toReversed())
    expect(await idsOf(records, { limit: 2, after: '01' })).toEqual(['1', 'A'])
    expect(await idsOf(records, { limit: 2, after: '01', backwards: true })).toEqual(['00', '-'])
    expect(await idsOf(records, { prefix: 'a' })).toEqual(['a', 'a-', 'a1', 'ab'])
    expect(await idsOf(records, { prefix: 'a', after: 'a1' })).toEqual(['ab'])
    expect(await idsOf(records, { from: 'A', to: 'a' })).toEqual(['A', 'Z'])
    expect(await idsOf(records, { from: 'b', to: 'A' })).toEqual([])
    expect(await idsOf(records, { limit: 0 })).toEqual([])
    expect(await idsOf(records, {}, 'nothing')).toEqual([])
  })

  test('a row is found by what it is found by now, and by nothing that it was', async () => {
    const records = await fresh()
    const by = (index: string, value: string) => idsOf(records, { key: [index, value] })
    await records.write([
      put('a', 1, { keys: { org: 'o1', team: 't1' } }),
      put('b', 1, { keys: { org: 'o1' } }),
      put('c'),
    ])
    expect(await by('org', 'o1')).toEqual(['a', 'b'])
    await records.write([put('a', 2, { keys: { org: 'o2', team: 't1' } })])
    expect(await by('org', 'o1')).toEqual(['b'])
    expect(await by('org', 'o2')).toEqual(['a'])
    expect(await by('team', 't1')).toEqual(['a'])
    expect(await by('team', 'o2')).toEqual([])
    await records.write([put('a', 3), { table: 'things', id: 'b', drop: true }])
    expect([...(await by('org', 'o1')), ...(await by('org', 'o2')), ...(await by('team', 't1'))]).toEqual([])
    expect(await idsOf(records)).toEqual(['a', 'c'])
    await records.write([put('b', 4)])
    expect(await by('org', 'o1')).toEqual([])
  })

  test('a row is gone when its time has come, and what comes after it is a new one', async () => {
    const records = await fresh()
    const until = Date.now() + 150
    await records.write([
      put('a', 1, { until, keys: { org: 'o1' } }),
      put('b', 1, { until: Date.now() + 60_000, keys: { org: 'o1' } }),
      put('c', 1, { until }),
      put('e', 1, { until, keys: { team: 't1' } }),
      put('d', 1, { until: Date.now() - 5_000 }),
    ])
    await records.write([put('c', 2)])
    expect(await idsOf(records)).toEqual(['a', 'b', 'c', 'e'])
    await expect.poll(() => records.get('things', 'a'), { interval: 20 }).toBeUndefined()
    expect(Date.now()).toBeGreaterThanOrEqual(until - 5)
    await records.write([put('e', 2, { until: Date.now() + 60_000 })])
    expect(await idsOf(records, { key: ['team', 't1'] })).toEqual([])
    expect(await idsOf(records, { limit: 1 })).toEqual(['b'])
    expect(await idsOf(records, { key: ['org', 'o1'] })).toEqual(['b'])
    expect(await records.many('things', ['a', 'c'])).toEqual([undefined, { id: 'c', value: 2, version: 2 }])
    expect((await records.write([put('a', 2, { if: 1 })])).ok).toBe(false)
    expect((await records.write([put('a', 2, { if: 0 })])).ok).toBe(true)
    expect(await records.get('things', 'a')).toEqual({ id: 'a', value: 2, version: 1 })
    expect(await idsOf(records, { key: ['org', 'o1'] })).toEqual(['b'])
  })

  test('each write to a table moves its revision, for others too', async () => {
    const again = await place()
    const [one, other] = [await again(), await again()]
    const seen = [await other.revision('things')]
    const write = async (writes: Parameters<Records['write']>[0]) => {
      await one.write(writes)
      seen.push(await other.revision('things'))
    }
    await write([put('a')])
    await write([put('a')])
    await write([put('b', 1, { if: 0 }), put('a')])
    await write([{ table: 'things', id: 'a', drop: true }])
    expect(seen).toEqual([...new Set(seen)].toSorted((a, b) => a - b))
    expect(await other.get('things', 'b')).toMatchObject({ value: 1 })
    const last = seen.at(-1)
    await write([{ ...put('a'), table: 'others' }])
    await write([put('b', 1, { if: 0 })])
    expect(seen.slice(-2)).toEqual([last, last])
  })

  test('what is read is what was written, in any script and of any size', async () => {
    const records = await fresh()
    const values: Json[] = [
      { name: 'Zoë 漢字 🚕 \u0000 \ud800 "\\', list: [[], [[1, null]], {}], '': false, n: -1.5e-7 },
      null,
      [],
      'x'.repeat(200_000),
      Array.from({ length: 20_000 }, (_, i) => ({ i })),
    ]
    await records.write(values.map((value, i) => put(`${i}`, value)))
    const rows = await records.list('things', { limit: 9 })
    expect(rows.map(({ value }) => value)).toEqual(values)
    const large = Array.from({ length: 150 }, (_, i) => put(`l${100 + i}`, `${i} ${'x'.repeat(20_000)}`))
    await records.write(large)
    expect((await records.list('things', { limit: 200, prefix: 'l' })).map(({ value }) => value)).toEqual(
      large.map(({ value }) => value),
    )
    const long = `${'a'.repeat(199)}~`
    await records.write([put(long, 1, { keys: { org: long } })])
    expect(await idsOf(records, { key: ['org', long], prefix: long })).toEqual([long])
  })

  test('more rows than are read at once come in one list', async () => {
    const records = await fresh()
    const all = Array.from({ length: 1_200 }, (_, i) => `${10_000 + i}`)
    await records.write(all.map((id) => put(id, id, { keys: { org: 'o1' } })))
    expect(await idsOf(records, { limit: 5_000 })).toEqual(all)
    expect(await idsOf(records, { limit: 1_100, backwards: true, key: ['org', 'o1'] })).toEqual(
      all.toReversed().slice(0, 1_100),
    )
    expect((await records.many('things', all)).map((row) => row?.value)).toEqual(all)
  })

  test('an id that not every store keeps in order is a bug', async () => {
    const records = await fresh()
    for (const bad of ['', 'a b', 'ä', 'x'.repeat(201)]) {
      await expect(records.write([put(bad)])).rejects.toThrow('not a name or an id')
      await expect(records.write([put('a', 1, { keys: { org: bad } })])).rejects.toThrow(
        'not a name or an id',
      )
    }
    await expect(records.write([{ ...put('a'), table: 'A' }])).rejects.toThrow('not a name or an id')
    await expect(records.write([put('a', 1, { keys: { 'a:b': 'x' } })])).rejects.toThrow(
      'not a name or an id',
    )
  })

  test('whatever is written and asked, the answer is that of the memory', async () => {
    const id = fc.string({ unit: fc.constantFrom('a', 'b', '-', '~', '!', '0'), minLength: 1, maxLength: 3 })
    const value = fc.constantFrom('x', 'xy')
    const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined })
    const write = fc.record(
      {
        table: fc.constantFrom('', 'x'),
        id,
        if: fc.nat(3),
        drop: fc.constant(true as const),
        keys: fc.dictionary(fc.constantFrom('org', 'team'), value),
        until: fc.constantFrom(1, Date.now() + 3_600_000),
      },
      { requiredKeys: ['table', 'id'] },
    )
    const range = fc.record({
      prefix: maybe(fc.oneof(id, fc.constant(''))),
      after: maybe(id),
      from: maybe(id),
      to: maybe(id),
      key: maybe(fc.tuple(fc.constantFrom('org', 'team'), value)),
      backwards: maybe(fc.boolean()),
      limit: fc.constantFrom(0, 1, 2, 5, 50),
    })
    const steps = fc.array(fc.tuple(fc.uniqueArray(write, { maxLength: 6, selector: nameOf }), range), {
      minLength: 5,
      maxLength: 25,
    })
    const [one, memory] = [await fresh(), memoryRecords({ clock })]
    let runs = 0
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const name = `run${letters(runs++)}`
        let n = 0
        for (const [given, asked] of all) {
          const writes = given.map((part) => ({
            ...part,
            table: name + part.table,
            ...(!part.drop && { value: n++ }),
          })) as Put[]
          expect(await one.write(writes)).toEqual(await memory.write(writes))
          const range = JSON.parse(JSON.stringify(asked)) as Range
          expect(await one.list(name, range)).toEqual(await memory.list(name, range))
        }
      }),
      { numRuns: 60 },
    )
  })
}

const letters = (n: number) => n.toString(26).replace(/\d/g, (digit) => 'qrstuvwxyz'[Number(digit)]!)
const nameOf = ({ table, id }: { table: string; id: string }) => `${table} ${id}`
const clock: Clock = systemClock

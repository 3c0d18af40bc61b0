import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openEvents } from '../../src/call/events.ts'
import { createMeter } from '../../src/call/meter.ts'
import { UpstreamError } from '../../src/providers/provider.ts'
import { chatDoor } from '../../src/wire/chat-door.ts'

const says = (content: string): string => JSON.stringify({ choices: [{ index: 0, delta: { content } }] })
const usage = JSON.stringify({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 } })
const DONE = '[DONE]'
const renderingOf = (include_usage: boolean) =>
  chatDoor({ stream_options: { include_usage } }).stream({ id: 'call', model: 'a/small', created: 0 })

/** All that a caller gets of batches of events, and how it ended. */
const heard = async (batches: readonly (readonly string[])[], maxOutput = 50, wantsUsage = true) => {
  const meter = createMeter({ input: 20, maxOutput, choices: 1 })
  const source = async function* () {
    yield* batches
  }
  let text = ''
  let pieces = 0
  const done = (end: string) => ({ text, pieces, end, usage: meter.usage(), digest: meter.digest() })
  try {
    const events = await openEvents(source(), meter, renderingOf(wantsUsage))
    for (let piece = await events.next(); piece !== undefined; piece = await events.next()) {
      text += piece
      pieces++
    }
    return done(events.done() ? 'done' : 'ended')
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error
    return done(error.message)
  }
}

test('a caller gets and pays the same whether events come one by one or all at once', async () => {
  const event = fc.oneof(
    { weight: 8, arbitrary: fc.string({ maxLength: 30 }).map(says) },
    fc.constantFrom(says(' some words'.repeat(20)), usage, DONE, 'nope', '5', '{"error":{}}'),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { maxLength: 60 }),
      fc.integer({ min: 0, max: 20 }),
      async (all, most) => {
        const { pieces: _, ...alone } = await heard(
          all.map((one) => [one]),
          most,
        )
        const { pieces: __, ...together } = await heard([all], most)
        expect(together).toEqual(alone)
      },
    ),
    { numRuns: 500 },
  )
})

test('events that come together are given together, after the first with content', async () => {
  const { pieces, text, end } = await heard([
    [says('a'), ...Array.from({ length: 20 }, () => says(' b')), DONE],
  ])
  expect([pieces, text.match(/data: /g)?.length, end]).toEqual([2, 21, 'done'])
})

test('an answer that overruns its quote ends with the event that did it', async () => {
  const all = Array.from({ length: 500 }, () => says(' word'))
  const { text, end, usage: used } = await heard([all], 10)
  const events = text.match(/data: /g)!.length
  expect([end, used.output]).toEqual(['ended', 10])
  expect(events).toBeLessThan(100)
  expect(
    (
      await heard(
        all.map((one) => [one]),
        10,
      )
    ).text,
  ).toBe(text)
})

test('what came before an error is given, and then it fails', async () => {
  expect(await heard([[says('a'), says('b'), 'nope', says('c')]])).toMatchObject({
    text: `data: ${says('a')}\n\ndata: ${says('b')}\n\n`,
    end: 'a chunk is not JSON',
  })
})

test('much that comes at once is given in pieces, so that a reader who leaves pays for little more than he took', async () => {
  const { pieces } = await heard([Array.from({ length: 100 }, () => says('x'.repeat(2_000)))], 1e6)
  expect(pieces).toBeGreaterThan(10)
})

test('once stopped nothing more is metered', async () => {
  const meter = createMeter({ input: 20, maxOutput: 50, choices: 1 })
  const source = async function* () {
    yield [says('a'), says(' and much more')]
  }
  const events = await openEvents(source(), meter, renderingOf(true))
  await events.next()
  const before = meter.usage()
  events.stop()
  expect(await events.next()).toBeUndefined()
  expect(meter.usage()).toEqual(before)
})

test('the chunk with the usage is for those who asked for it', async () => {
  expect((await heard([[says('a'), usage, DONE]], 50, false)).text).not.toContain('usage')
  expect((await heard([[says('a'), usage, DONE]])).text).toContain('usage')
})

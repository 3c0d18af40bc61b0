import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { hedged, type Leg } from '../../src/call/hedge.ts'
import { systemClock } from '../../src/clock.ts'

type Answer = { name: string; abort: () => void }

/** A host that begins to answer, fails or breaks after so long, and notes what it was told. */
const host = (name: string, ms: number, how: 'answers' | 'fails' | 'breaks' = 'answers') => {
  const log: string[] = []
  const leg: Leg<Answer> = async (signal) => {
    log.push('asked')
    signal.addEventListener('abort', () => log.push('stopped'), { once: true })
    await systemClock.sleep(ms, signal)
    if (signal.aborted || how === 'fails') return undefined
    if (how === 'breaks') throw new Error(`${name} broke`)
    return { name, abort: () => void log.push('ended') }
  }
  return { leg, log }
}

const race = async (
  first: ReturnType<typeof host>,
  second: ReturnType<typeof host>,
  outer = new AbortController().signal,
) => hedged({ clock: systemClock, outer, afterMs: 30 }, first.leg, second.leg)

test('a first that is quick enough is alone', async () => {
  const [first, second] = [host('first', 1), host('second', 1)]
  expect((await race(first, second))?.name).toBe('first')
  expect(second.log).toEqual([])
})

test('beside a first that is late the second is asked; it wins, and the first is stopped at once', async () => {
  const [first, second] = [host('first', 5_000), host('second', 10)]
  const asked = Date.now()
  expect((await race(first, second))?.name).toBe('second')
  expect(Date.now() - asked).toBeLessThan(1_000)
  expect(first.log).toEqual(['asked', 'stopped'])
})

test('a first that is late and still quicker than the second wins', async () => {
  const [first, second] = [host('first', 60), host('second', 5_000)]
  const answer = await race(first, second)
  expect([answer?.name, second.log]).toEqual(['first', ['asked', 'stopped']])
})

test('when both begin at the same time one is kept and the other ended', async () => {
  const [first, second] = [host('first', 60), host('second', 30)]
  const answer = await race(first, second)
  const loser = answer?.name === 'first' ? second : first
  await expect.poll(() => loser.log).toContain('stopped')
})

test('a first that fails early is not followed by the second: who asked decides what is next', async () => {
  const [first, second] = [host('first', 1, 'fails'), host('second', 1)]
  expect([await race(first, second), second.log]).toEqual([undefined, []])
})

test('when the one fails the other is waited for, and when both do there is no answer', async () => {
  expect((await race(host('first', 50, 'fails'), host('second', 100)))?.name).toBe('second')
  expect((await race(host('first', 150), host('second', 10, 'fails')))?.name).toBe('first')
  expect(await race(host('first', 50, 'fails'), host('second', 50, 'fails'))).toBeUndefined()
})

test('what nobody foresaw is thrown when there is no answer, and only then', async () => {
  await expect(race(host('first', 50, 'breaks'), host('second', 60, 'fails'))).rejects.toThrow('first broke')
  await expect(race(host('first', 1, 'breaks'), host('second', 1))).rejects.toThrow('first broke')
  expect((await race(host('first', 50, 'breaks'), host('second', 60)))?.name).toBe('second')
})

test('a caller who leaves stops both', async () => {
  const [first, second] = [host('first', 5_000), host('second', 5_000)]
  const client = new AbortController()
  setTimeout(() => client.abort(), 60)
  expect(await race(first, second, client.signal)).toBeUndefined()
  expect([first.log, second.log]).toEqual([
    ['asked', 'stopped'],
    ['asked', 'stopped'],
  ])
})

test('the winner ends with its caller until it is over; then nothing listens any more', async () => {
  const client = new AbortController()
  const second = host('second', 10)
  const answer = await race(host('first', 5_000), second, client.signal)
  await expect.poll(() => getEventListeners(client.signal, 'abort').length).toBe(1)
  answer!.abort()
  expect(getEventListeners(client.signal, 'abort')).toEqual([])
  expect(second.log).toEqual(['asked', 'ended'])
})

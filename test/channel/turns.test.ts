import { expect, test } from 'vitest'
import { createTurns } from '../../src/channel/turns.ts'

const refused = async (turn: Promise<unknown>) =>
  turn.then(
    () => 'let in',
    (error) => (error as { code: string }).code,
  )

test('one at a time, in the order of arrival; another channel has a line of its own', async () => {
  const turns = createTurns()
  const order: string[] = []
  const leave = await turns.enter('a')
  const rest = ['first', 'second', 'third'].map(async (name) => {
    const mine = await turns.enter('a')
    order.push(name)
    mine()
  })
  ;(await turns.enter('b'))()
  expect(order).toEqual([])
  leave()
  leave()
  await Promise.all(rest)
  expect(order).toEqual(['first', 'second', 'third'])
  ;(await turns.enter('a'))()
})

test('nobody waits too long, and not too many wait', async () => {
  const turns = createTurns({ waitMs: 30, most: 1 })
  const leave = await turns.enter('a')
  const waiting = refused(turns.enter('a'))
  expect(await refused(turns.enter('a'))).toBe('channel_busy')
  expect(await waiting).toBe('channel_busy')
  leave()
  ;(await turns.enter('a'))()
})

test('who goes away leaves the line', async () => {
  const turns = createTurns()
  const leave = await turns.enter('a')
  const gone = new AbortController()
  const waiting = refused(turns.enter('a', gone.signal))
  const next = turns.enter('a')
  gone.abort()
  expect(await waiting).toBe('channel_busy')
  leave()
  ;(await next)()
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createGates, type GateFacts, type Slot } from '../../src/admit/gate.ts'
import { systemClock } from '../../src/clock.ts'

const never = new AbortController().signal
const gatesOf = (more: Partial<GateFacts> = {}) =>
  createGates({ clock: systemClock, most: () => 512, start: 2, least: 1, line: 2, waitMs: 50, ...more })

test('as many get in as there is room for, others wait in order, and beyond the line nobody waits', async () => {
  const gates = gatesOf()
  const [first, second] = [await gates.enter('a', never), await gates.enter('a', never)]
  const order: string[] = []
  const third = gates.enter('a', never).then(() => order.push('third'))
  const fourth = gates.enter('a', never).then(() => order.push('fourth'))
  expect(await gates.enter('a', never)).toBeUndefined()
  expect(gates.states()['a']).toEqual({ limit: 2, inFlight: 2, waiting: 2, turnedAway: 1 })
  first!.leave()
  first!.leave()
  await third
  expect(order).toEqual(['third'])
  second!.leave()
  await fourth
  expect(gates.states()['a']).toMatchObject({ inFlight: 2, waiting: 0 })
})

test('who waits too long, or leaves, has no place and holds none', async () => {
  const gates = gatesOf({ start: 1 })
  const slot = await gates.enter('a', never)
  const from = performance.now()
  expect(await gates.enter('a', never)).toBeUndefined()
  expect(performance.now() - from).toBeGreaterThanOrEqual(45)
  const leaver = new AbortController()
  const left = gates.enter('a', leaver.signal)
  leaver.abort()
  expect(await left).toBeUndefined()
  expect(await gates.enter('a', leaver.signal)).toBeUndefined()
  slot!.leave()
  expect(gates.states()['a']).toMatchObject({ inFlight: 0, waiting: 0, turnedAway: 2 })
  expect(await gates.enter('a', never)).toBeDefined()
})

test('providers do not share their room, and one without a limit has all it wants', async () => {
  const gates = gatesOf({ start: 1, waitMs: 1, most: (id) => (id === 'open' ? undefined : 512) })
  await gates.enter('a', never)
  expect(await gates.enter('b', never)).toBeDefined()
  for (let i = 0; i < 1_000; i++) expect(await gates.enter('open', never)).toBeDefined()
})

test('when the room grows, those who wait get in; a lower maximum holds from the next on', async () => {
  let most = 512
  const gates = gatesOf({ most: () => most })
  const slots = [await gates.enter('a', never), await gates.enter('a', never)]
  const waits = gates.enter('a', never)
  slots[0]!.answered(10)
  expect(await waits).toBeDefined()
  expect(gates.states()['a']).toMatchObject({ limit: 3, inFlight: 3 })
  most = 1
  for (const slot of [...slots, await waits]) slot!.leave()
  expect(await gates.enter('a', never)).toBeDefined()
  expect(await gates.enter('a', never)).toBeUndefined()
})

test('nobody gets in above the limit, and every place comes back, whatever happens in whatever order', async () => {
  const action = fc.record({
    do: fc.constantFrom('enter', 'enter', 'enter', 'answer', 'crowd', 'leave', 'abort'),
    pick: fc.nat({ max: 1_000 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 120 }), async (actions) => {
      const gates = gatesOf({ start: 3, line: 4, waitMs: 60_000, most: () => 8 })
      const inside: Slot[] = []
      const leavers = new Set<AbortController>()
      const asked: Promise<unknown>[] = []
      const state = () => gates.states()['a'] ?? { limit: 3, inFlight: 0, waiting: 0, turnedAway: 0 }
      for (const { do: what, pick } of actions) {
        const slot = inside[pick % Math.max(1, inside.length)]
        const before = state()
        if (what === 'enter') {
          const leaver = new AbortController()
          leavers.add(leaver)
          const entered = gates.enter('a', leaver.signal).then((one) => {
            leavers.delete(leaver)
            if (one) inside.push(one)
          })
          asked.push(entered)
          await new Promise(setImmediate)
          const after = state()
          if (after.inFlight > before.inFlight) expect(after.inFlight).toBeLessThanOrEqual(after.limit)
        } else if (what === 'abort') [...leavers][pick % Math.max(1, leavers.size)]?.abort()
        else if (slot && what === 'answer') slot.answered(pick)
        else if (slot && what === 'crowd') slot.crowded()
        else if (slot) {
          slot.leave()
          inside.splice(inside.indexOf(slot), 1)
        }
        await new Promise(setImmediate)
        expect(state().inFlight).toBe(inside.length)
        if (state().inFlight > before.inFlight) expect(state().inFlight).toBeLessThanOrEqual(state().limit)
        if (state().waiting > 0) expect(state().inFlight).toBeGreaterThanOrEqual(state().limit)
      }
      while (inside.length > 0 || leavers.size > 0) {
        for (const leaver of leavers) leaver.abort()
        for (const slot of inside.splice(0)) slot.leave()
        await new Promise(setImmediate)
      }
      await Promise.all(asked)
      expect(state()).toMatchObject({ inFlight: 0, waiting: 0 })
    }),
    { numRuns: 60 },
  )
})

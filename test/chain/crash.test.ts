import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { crashAnywhere, crashAt, seeded } from '../campaign/crash.ts'
import { deathsOf, POINTS, type Work } from '../campaign/points.ts'
import { type Ground, openGround } from '../campaign/site.ts'

let ground: Ground
beforeAll(async () => {
  ground = await openGround()
})
afterAll(() => ground?.stop())

const PATIENCE_MS = 240_000
const all = (Object.keys(POINTS) as Work[]).map((work, i) => [work, POINTS[work].join(', '), i] as const)

describe.concurrent('routers that die one after the other lose nothing, serve nobody twice and charge nobody twice', () => {
  test.each(all)(
    '%s: killed at %s',
    async (work, _, turn) => {
      expect((await crashAt(ground, work, deathsOf(work, turn))).problems).toEqual([])
    },
    PATIENCE_MS,
  )

  test(
    'payments of every kind: killed at some moment under load',
    async () => {
      const { problems, name } = await crashAnywhere(ground, seeded(1), 8)
      expect(problems, name).toEqual([])
    },
    PATIENCE_MS,
  )
})

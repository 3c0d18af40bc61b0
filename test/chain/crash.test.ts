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
/** What shares its road with `exact-3009`: here each dies at half of the points on it, by turns; `npm run campaign` takes all. */
const SHARING: ReadonlySet<Work> = new Set(['exact-permit2', 'upto', 'deposit', 'voucher'])
const all = (Object.keys(POINTS) as Work[]).map((work, turn) => {
  const deaths = deathsOf(work, turn).filter(
    ({ point }, i) => !SHARING.has(work) || /^[CD]/.test(point) || (i >> 1) % 2 === turn % 2,
  )
  return [work, deaths.map(({ point }) => point).join(', '), deaths] as const
})

describe.concurrent('routers that die one after the other lose nothing, serve nobody twice and charge nobody twice', () => {
  test.each(all)(
    '%s: killed at %s',
    async (work, _, deaths) => {
      expect((await crashAt(ground, work, deaths)).problems).toEqual([])
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

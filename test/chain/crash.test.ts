import { afterAll, beforeAll, expect, test } from 'vitest'
import { deployUsdc, type Localnet, startAnvil } from '../../src/cli/demo/localnet.ts'
import { crashAnywhere, crashAt, POINTS, type Point, seeded } from '../campaign/crash.ts'

let net: Localnet
let token: `0x${string}`
beforeAll(async () => {
  net = await startAnvil()
  token = (await deployUsdc({ url: net.url, deployerKey: net.accounts[0]!.privateKey })).address
})
afterAll(() => net.stop())

const cases = (Object.keys(POINTS) as Point[]).flatMap(
  (point) =>
    [
      [point, 'json'],
      [point, 'sse'],
    ] as const,
)

test.each(cases)(
  'a kill -9 at %s of a call (%s) loses nothing and serves nobody twice',
  async (point, mode) => {
    expect((await crashAt(net, token, point, mode)).problems).toEqual([])
  },
)

test('a kill -9 at a random moment under load loses nothing', async () => {
  const seed = Date.now() % 2 ** 31
  const random = seeded(seed)
  for (let i = 0; i < 3; i++) {
    const { problems } = await crashAnywhere(net, token, random, 8)
    expect(problems, `seed ${seed}`).toEqual([])
  }
})

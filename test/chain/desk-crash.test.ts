import { afterAll, beforeAll, expect, test } from 'vitest'
import { createBudgets } from '../../src/accounts/budget.ts'
import type { Budget } from '../../src/accounts/node.ts'
import { billOf } from '../../src/ledger/call.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { Farebox } from '../../src/main.ts'
import { quiet } from '../campaign/crash.ts'
import { after, type Ground, openGround, openSite } from '../campaign/site.ts'
import { OWNER, organisation } from '../support/organisation.ts'
import { header, offerOf, offersOf, post, signOffer } from '../support/pay.ts'
import { hello } from '../support/world.ts'

let ground: Ground
beforeAll(async () => {
  ground = await openGround()
})
afterAll(() => ground?.stop())

const PATIENCE_MS = 120_000

type Sums = { calls: number; served: number; failed: number; charged: string; complete: boolean }

/** What calls of a node came to, once `calls` of them are counted. */
const summed = async (router: Farebox, at: string, calls: number): Promise<Sums> => {
  let sums: Sums | undefined
  for (let i = 0; i < 100 && sums?.calls !== calls; i++) {
    await after(50)
    sums = (await router.desk.run(OWNER, 'analytics.summary', { at })) as Sums
  }
  return sums!
}

const DEATHS = [
  ['K4', false],
  ['K4', true],
  ['K3', false],
  ['K1', true],
] as const

test(
  'a router that is killed in the midst of calls leaves nothing held of a budget, no approval spent, and each call counted once',
  async () => {
    const site = await openSite(ground)
    try {
      let router = await site.router()
      const { org, team, key, auth } = await organisation(
        { farebox: router },
        { rules: { approveAbove: '0' } },
      )
      const { node } = (await router.desk.run(OWNER, 'node.budgets', {
        id: team.id,
        budgets: [
          { per: 'total', limit: '1' },
          { per: 'day', limit: '1', window: 'rolling' },
        ],
      })) as { node: { budgets: Budget[] } }
      const approved: [id: string, body: object][] = []
      const paid = async ({ url }: { url: string }, key: object, [id, body]: [id: string, body: object]) => {
        const headers = { ...key, 'x-farebox-approval': id }
        const asked = await post(`${url}/v1/chat/completions`, body, headers)
        if (asked.status !== 402) return asked
        const offer = offerOf(offersOf(asked), 'exact', { method: 'eip3009' })
        const payment = header(await signOffer(await site.payer(), offer))
        return post(`${url}/v1/chat/completions`, body, { ...headers, 'payment-signature': payment })
      }
      for (const [i, [, stream]] of DEATHS.entries()) {
        const body = hello({ max_tokens: 300 + i, stream })
        const waits = await post(`${router.url}/v1/chat/completions`, body, auth)
        expect(waits.status).toBe(202)
        const id = /apr_[\w-]+/.exec(await waits.text())![0]
        await router.desk.run(OWNER, 'approval.decide', { id, approve: true })
        approved.push([id, body])
      }
      await router.close(1_000)

      for (const [i, [point]] of DEATHS.entries()) {
        const mortal = await site.mortal(point)
        await paid(mortal!, auth, approved[i]!)
          .then((answer) => answer.text())
          .catch(() => 'lost')
        const how = await Promise.race([mortal!.ended, after(10_000)])
        mortal!.kill('SIGKILL')
        expect([point, how]).toEqual([point, 'SIGKILL'])
      }

      router = await site.router()
      const { ledger } = router.deps
      await quiet(site, router, 2)
      const calls = (await ledger.calls(undefined, 100)).filter((one) => one.account?.includes(key.id))
      expect(calls).toHaveLength(DEATHS.length)
      const charged = calls.reduce((sum, call) => sum + (billOf(call)?.charged ?? 0n), 0n)
      expect(charged > 0n).toBe(true)
      for (const budget of node.budgets) {
        const { drawn } = createBudgets().drawOf(team.id, budget, Date.now())!
        const counters = await ledger.countersOf([drawn.counter, ...(drawn.beside ?? [])])
        expect(Object.values(counters).reduce((sum, one) => sum + one, 0n)).toBe(charged)
      }
      expect(await checkInvariants(ledger, { now: site.clock.now() })).toEqual([])
      for (const at of [org.id, team.id, key.id])
        expect(await summed(router, at, calls.length)).toMatchObject({
          calls: calls.length,
          charged: `0.${charged.toString().padStart(6, '0')}`,
        })

      // What a dead call stood on is good for one more; what a served one stood on is not.
      const statuses: number[] = []
      for (const one of approved) statuses.push((await paid(router, auth, one)).status)
      expect(statuses).toEqual([403, 403, 200, 200])
      await router.close(1_000)
    } finally {
      await site.close()
    }
  },
  PATIENCE_MS,
)

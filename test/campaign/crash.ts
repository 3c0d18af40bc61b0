/**
 * The crash matrix: a router is killed with SIGKILL at a named point of its work, another goes on with its ledger, and
 * the oracle judges what is left. `npm run campaign` runs the long form; the test suite a short one.
 */
import type { Hex } from 'viem'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { Farebox } from '../../src/main.ts'
import { CHAIN_ID } from '../support/world.ts'
import { type Buying, order, show, toldOf } from './client.ts'
import { dispatches, judge, PRICE } from './oracle.ts'
import { BEFORE_DISPATCH, type Mode, type Work } from './points.ts'
import { after, type Ground, openSite, type Site } from './site.ts'
import type { Signing } from './ways.ts'

export type Outcome = { name: string; deaths: number; calls: number; served: number; problems: string[] }

export type Death = { point: string; mode: Mode }

const DEATH_MS = 30_000

/** Kills one router after the other on one ledger, each at a point of its own call, and judges what is left of all. */
export const crashAt = async (ground: Ground, work: Work, deaths: readonly Death[]): Promise<Outcome> => {
  const site = await openSite(ground)
  try {
    const earlier = await prepare(site, work, deaths)
    const buyings = [...earlier]
    const gifts = new Map<Hex, bigint>()
    const problems: string[] = []
    for (const [i, { point, mode }] of deaths.entries()) {
      if (work === 'batch' && RESTED.has(point)) await rest(site)
      if (work === 'reconcile') {
        await site.transfer(earlier[i]!.entry.payer, site.payTo, 5n)
        gifts.set(earlier[i]!.entry.payer, 5n)
      }
      const mortal = await site.mortal(point)
      const ways = WAYS_OF[work] ?? [work as Signing]
      const own: Buying[] = []
      const running = ways.map(async (way) => {
        const account = way === 'voucher' ? earlier[i]!.account : await site.payer()
        const one = await order({
          url: mortal!.url,
          way,
          account,
          mode,
          charged: way === 'voucher' ? PRICE : 0n,
        })
        own.push(one)
        await show(site.upstream, mortal!.url, one)
      })
      await Promise.all(running.map((one) => one.catch(() => 'lost')))
      problems.push(...(await ended(mortal, point)))
      const asked = own.some(({ entry }) => dispatches(site.upstream.seen, entry.mark) > 0)
      if (own.length < ways.length) problems.push(`killed at ${point} before it was asked for a price`)
      if (asked === BEFORE_DISPATCH.has(point) && ways.length > 0 && !(work === 'deposit' && !asked))
        problems.push(`killed at ${point}, and the provider was ${asked ? '' : 'not '}asked`)
      buyings.push(...own)
    }
    const name = `${work} ${deaths.map(({ point, mode }) => `${point} ${mode}`).join(', ')}`
    return await aftermath(site, name, buyings, { problems, gifts, deaths: deaths.length })
  } finally {
    await site.close()
  }
}

const WAYS_OF: Partial<Record<Work, Signing[]>> = {
  batch: ['exact-3009', 'exact-permit2', 'exact-3009'],
  reconcile: [],
  payout: [],
}

/** What a dead router left of a batch would kill the next one here before it is called. */
const RESTED: ReadonlySet<string> = new Set(['K7', 'K12'])

/** What must have happened before anything goes wrong: channels to draw on, credit to pay out, payers. */
const prepare = async (site: Site, work: Work, deaths: readonly Death[]): Promise<Buying[]> => {
  if (work === 'payout') await site.give(site.settler, 10_000_000n)
  if (work !== 'voucher' && work !== 'payout' && work !== 'reconcile') return []
  const modes = work === 'payout' ? deaths.slice(0, 1) : deaths
  const router = await site.router()
  try {
    const buying = modes.map(async ({ mode }) => {
      const way = work === 'voucher' ? 'deposit' : 'exact-3009'
      const one = await order({ url: router.url, way, account: await site.payer(), mode })
      await show(site.upstream, router.url, one)
      return one
    })
    const all = await Promise.all(buying)
    await quiet(site, router, 1)
    return all
  } finally {
    await router.close(1_000)
  }
}

/** Lets a router that nobody calls finish what the last one left. */
const rest = async (site: Site): Promise<void> => {
  const router = await site.router()
  await quiet(site, router, 1)
  await router.close(1_000)
}

/** Kills a router at a random moment while calls of every way run, `calls` of them. */
export const crashAnywhere = async (
  ground: Ground,
  random: () => number,
  calls: number,
): Promise<Outcome> => {
  const site = await openSite(ground)
  try {
    const first = await site.mortal()
    const kinds: Signing[] = ['exact-3009', 'exact-permit2', 'upto', 'deposit']
    const picked = Array.from({ length: calls }, (_, i) => ({
      way: kinds[Math.floor(random() * kinds.length)]!,
      mode: i % 2 === 0 ? ('json' as const) : ('sse' as const),
    }))
    const wait = Math.floor(random() ** 2 * 600)
    const again = random() < 0.5 ? Math.floor(random() * 300) : undefined
    const signing = picked.map(async ({ way, mode }) =>
      order({ url: first!.url, way, account: await site.payer(), mode }),
    )
    const buyings = await Promise.all(signing)
    const running = buyings.map((one) => show(site.upstream, first!.url, one))
    await after(wait)
    first!.kill('SIGKILL')
    await first!.ended
    await Promise.all(running)
    if (again !== undefined) await killAgain(site, buyings, again)
    const kills = again === undefined ? `${wait} ms` : `${wait} ms and ${again} ms`
    const name = `killed after ${kills}, ${calls} calls`
    return await aftermath(site, name, buyings, {
      problems: [],
      gifts: new Map(),
      deaths: again === undefined ? 1 : 2,
    })
  } finally {
    await site.close()
  }
}

/** A second death, while the first is being recovered from and everybody comes back at once. */
const killAgain = async (site: Site, buyings: readonly Buying[], wait: number): Promise<void> => {
  const mortal = await site.mortal()
  const shown = buyings.map((one) => show(site.upstream, mortal!.url, one))
  await after(wait)
  mortal!.kill('SIGKILL')
  await mortal!.ended
  await Promise.all(shown)
}

const ended = async (
  mortal: { ended: Promise<string>; kill: (signal: NodeJS.Signals) => void } | undefined,
  point: string,
) => {
  const how = mortal ? await Promise.race([mortal.ended, after(DEATH_MS)]) : 'SIGKILL'
  if (how === 'SIGKILL') return []
  mortal!.kill('SIGKILL')
  await mortal!.ended
  return [`the router was to die at ${point}, but: ${how}`]
}

type Left = { problems: string[]; gifts: ReadonlyMap<Hex, bigint>; deaths: number }

/** Starts a router on what the dead one left, shows every payment again, waits a minute of its time, and judges. */
const aftermath = async (
  site: Site,
  name: string,
  buyings: readonly Buying[],
  left: Left,
): Promise<Outcome> => {
  const router = await site.router()
  try {
    const ids = new Map<Buying, string>()
    for (const one of buyings) {
      const told = await show(site.upstream, router.url, one)
      if (told !== undefined) ids.set(one, told)
    }
    await quiet(site, router, 6)
    // Once more, now that all is over: still the same, and by now its id is told.
    for (const one of buyings)
      ids.set(one, (await show(site.upstream, router.url, one)) ?? ids.get(one) ?? '')
    await quiet(site, router, 1)
    for (const [{ entry }, id] of ids) {
      const told = await toldOf(router.url, id)
      if (told) entry.told = told
    }
    const { problems, gifts, deaths } = left
    const { ledger } = router.deps
    const book = `eip155:${CHAIN_ID}/${site.ground.token}`
    const violations = await checkInvariants(ledger, { now: site.clock.now() })
    const verdict = await judge({
      url: site.ground.net.url,
      token: site.ground.token,
      payTo: site.payTo,
      settler: site.settler,
      seen: site.upstream.seen,
      entries: buyings.map((one) => one.entry),
      gifts,
      creditOf: (payer: Hex) => ledger.balance(book, `credit:${payer.toLowerCase()}`),
      booked: -(await ledger.balance(book, 'chain:payTo')),
      open: await openIn(router),
    })
    const said = violations.map((one) => `${one.invariant}: ${one.subject} ${one.detail}`)
    return {
      name,
      deaths,
      calls: buyings.length,
      served: site.upstream.seen.length,
      problems: [...problems, ...said, ...verdict],
    }
  } finally {
    await router.close(1_000)
  }
}

/** So many times ten seconds of a router's time in which nobody calls it: it looks at the chain and claims its channels. */
export const quiet = async (site: Site, router: Farebox, tens: number): Promise<void> => {
  const settler = router.deps.settler(`eip155:${CHAIN_ID}`)
  for (let i = 0; i < tens; i++) {
    await settler.tick()
    for (let tries = 0; tries < 50 && settler.pending() > 0; tries++) {
      await after(20)
      await settler.tick()
    }
    await router.keeper.tick('now')
    site.forward(10_000)
  }
  for (let tries = 0; tries < 100 && settler.pending() > 0; tries++) {
    await settler.tick()
    await after(20)
  }
}

/** What is still under way in a ledger. */
const openIn = async ({ deps: { ledger } }: Farebox): Promise<string[]> => [
  ...(await ledger.open()).map((one) => `${one.kind} ${one.id}: ${one.service.at}, ${one.settlement.at}`),
  ...(await ledger.openErrands()).map((one) => `${one.task.kind} ${one.id}: ${one.settlement.at}`),
]

/** A small seeded generator, so that a failing run can be repeated. */
export const seeded = (seed: number) => {
  // Seeds that follow each other begin far from each other.
  let state = Math.imul(seed ^ 0x9e3779b9, 2654435761) >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

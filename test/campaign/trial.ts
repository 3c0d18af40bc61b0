import type { Hex } from 'viem'
import type { ChainId } from '../../src/assets.ts'
import { rpc } from '../../src/cli/demo/localnet.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { Hostile, HostileOptions, Stage } from '../support/hostile.ts'
import { PAY_TO } from '../support/world.ts'
import { type Buying, order, show, toldOf } from './client.ts'
import { type Entry, heldBy, judge } from './oracle.ts'
import { after } from './site.ts'
import type { Signing } from './ways.ts'

/** One router of a stage, payments to it, and the oracle's verdict on both. */
export type Trial = {
  router: Hostile
  /** Signs for one call in each way, does what is to be done `before` they are shown, and shows them all at once. */
  buy: (ways: readonly Signing[], mode: Entry['mode'], before?: () => Promise<unknown>) => Promise<Buying[]>
  /** What was done to these payments lets the chain refuse them. */
  spoil: (buyings: readonly Buying[]) => void
  idOf: (buying: Buying) => string
  /** Looks at the chain so often, 15 seconds of the router's time apart. */
  look: (times: number) => Promise<void>
  /** Looks until nothing is pending; the router's time stands still. */
  settle: () => Promise<void>
  /** Shows every payment again, and judges: everything that is wrong. */
  verdict: () => Promise<string[]>
}

export type TrialOptions = HostileOptions & { batch?: boolean }

/** Opens a router on a stage with Permit2, whose till is judged from now on. `batch`: three settlements wait for each other. */
export const openTrial = async (
  stage: Stage,
  { batch = false, ...options }: TrialOptions = {},
): Promise<Trial> => {
  const { world } = stage
  const url = world.net.url
  world.config.settler.batch = batch
    ? { maxDelayMs: 60_000, min: 3, max: 100 }
    : { maxDelayMs: 0, min: 1, max: 1 }
  const router = await stage.open(options)
  const token = world.token.toLowerCase() as Hex
  const id: ChainId = `eip155:${world.net.chainId}`
  const place = { url, token, payTo: PAY_TO as Hex }
  const since = { block: Number(await rpc<Hex>(url, 'eth_blockNumber')), held: await heldBy(place) }
  const bought = new Map<Buying, string>()
  const spoiled = new Set<string>()

  const buy: Trial['buy'] = async (ways, mode, before) => {
    const { timestamp } = await rpc<{ timestamp: Hex }>(url, 'eth_getBlockByNumber', ['latest', false])
    const now = Math.max(Number(timestamp), Math.floor(Date.now() / 1000))
    const signed: Buying[] = []
    for (const way of ways) {
      const account = await stage.payer()
      await world.approve(account)
      const end = now + (way === 'upto' ? 890 : 290)
      signed.push(await order({ url: router.farebox.url, way, account, mode, end }))
    }
    await before?.()
    const shown = signed.map(async (one) => {
      const call = await show(world.upstream, router.farebox.url, one)
      bought.set(one, call ?? '')
    })
    await Promise.all(shown)
    return signed
  }

  const settle = async (): Promise<void> => {
    for (let i = 0; i < 250 && router.settler.pending() > 0; i++) {
      await router.settler.tick()
      if (router.settler.pending() > 0) await after(20)
    }
  }

  return {
    router,
    buy,
    spoil: (some) => {
      for (const { entry } of some) spoiled.add(entry.mark)
    },
    idOf: (one) => bought.get(one)!,
    look: async (times) => {
      for (let i = 0; i < times; i++) {
        router.forward(15_000)
        await router.settler.tick()
      }
    },
    settle,
    verdict: async () => {
      for (const [one, call] of bought) {
        await show(world.upstream, router.farebox.url, one)
        const told = await toldOf(router.farebox.url, call)
        if (told) one.entry.told = told
      }
      const { ledger } = router
      const book = `${id}/${token}`
      const violations = await checkInvariants(ledger, { now: Date.now() })
      const open = [...(await ledger.open()), ...(await ledger.openErrands())]
      const said = await judge({
        ...place,
        settler: world.net.accounts[1]!.address,
        seen: world.upstream.seen,
        entries: [...bought.keys()].map((one) => one.entry),
        creditOf: (payer) => ledger.balance(book, `credit:${payer.toLowerCase()}`),
        booked: -(await ledger.balance(book, 'chain:payTo')),
        since,
        open: open.map((one) => `${one.id}: ${one.settlement.at}`),
        spoiled,
      })
      return [...violations.map((one) => `${one.invariant}: ${one.subject} ${one.detail}`), ...said]
    },
  }
}

/** Settlements that the ledger believes, of these; `held`: of those, the ones that the chain does not show. */
export const believed = async (stage: Stage, trial: Trial, buyings: readonly Buying[]) => {
  const calls = await Promise.all(buyings.map((one) => trial.router.call(trial.idOf(one))))
  const settled = buyings.filter((_, i) => calls[i]!.settlement.at === 'settled')
  const transfers = await Promise.all(settled.map((one) => stage.received(one.account.address)))
  return { settled: settled.length, unfounded: transfers.filter((all) => all.length === 0).length }
}

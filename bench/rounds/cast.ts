import { type Channels, openChannels, signVouchers } from '../channels.ts'
import { JSON_HEADERS, requestBody, startFareboxServer, startFleet } from '../farebox.ts'
import { inTurns, presign, type Way } from '../payments.ts'
import { installPeers, portkeyHeaders, startPortkey, startX402 } from '../peers.ts'
import type { ServerProcess, Start } from '../process.ts'
import type { Payer, World } from '../world.ts'

/** Everybody who takes part, warm; the peers are missing where they could not be installed. */
export type Cast = {
  world: World
  farebox: ServerProcess
  portkey: ServerProcess | undefined
  x402: ServerProcess | undefined
  /** Funded, and with a settled call behind them; Permit2 may move their money. */
  payers: Payer[]
  /** One of each payer, once warm. */
  channels?: Channels
}

export const CHAT = '/v1/chat/completions'
const PAYERS = 200
const SETTLE_MS = 60_000

/** Where Farebox keeps its ledger, and how many instances share it. */
export type Shape = { store: string; instances: number }

/** Starts all contestants. */
export const startCast = async (
  world: World,
  { store, instances }: Shape = { store: 'sqlite', instances: 1 },
): Promise<Cast> => {
  const peers = installPeers()
  const farebox = await (instances > 1
    ? startFleet(world, store, instances)
    : startFareboxServer(world, store))
  const portkey = peers ? await startPortkey() : undefined
  const x402 = peers ? await startX402(world) : undefined
  return { world, farebox, portkey, x402, payers: await world.payers(PAYERS, 'approved') }
}

/** Farebox alone, warm. */
export const fareboxCast = async (
  world: World,
  store = 'sqlite',
  more: Partial<Start> = {},
): Promise<Cast> => {
  const farebox = await startFareboxServer(world, store, more)
  const payers = await world.payers(PAYERS, 'approved')
  const cast: Cast = { world, farebox, portkey: undefined, x402: undefined, payers }
  await warmUp(cast)
  return cast
}

/**
 * Brings everybody past the just-in-time compiler, and the payers to good standing: a dear call each, of which most
 * comes back as credit, then small ones.
 */
export const warmUp = async (cast: Cast, calls = 2_000): Promise<void> => {
  const { world, farebox, portkey, payers } = cast
  const url = `${farebox.url}${CHAT}`
  const buy = async (body: string, count: number, way: Way = 'exact') => {
    const each = await presign(world, { url, body, payers: inTurns(payers, count), way })
    await world.fire({ url, body, headers: JSON_HEADERS, concurrency: 16, each }, 200)
    await settled(farebox)
  }
  await buy(requestBody('bench/dear', { max_tokens: 4_000 }), payers.length)
  const body = requestBody('bench/small')
  await buy(body, calls)
  await buy(body, calls / 2, 'permit2')
  await buy(body, calls / 2, 'upto')
  cast.channels = await openChannels(world, { url, body, payers })
  const each = await signVouchers(world, cast.channels, { url, body, calls })
  await world.fire({ url, body, headers: JSON_HEADERS, concurrency: 16, each }, 200)
  if (portkey) {
    const job = {
      url: `${portkey.url}${CHAT}`,
      body: requestBody('mock'),
      headers: portkeyHeaders(world),
      concurrency: 16,
    }
    await world.fire({ ...job, seconds: 2 }, 200)
  }
}

/** Waits until no settlement is pending, at most a minute; returns how long that took, ms. */
export const settled = async (farebox: ServerProcess): Promise<number> => {
  const began = performance.now()
  while ((await farebox.ask<number>('pending')) > 0) {
    if (performance.now() - began > SETTLE_MS) throw new Error('settlements are still pending after a minute')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return performance.now() - began
}

export const stopCast = async ({ farebox, portkey, x402 }: Cast): Promise<void> => {
  await farebox.ask('close')
  await Promise.all([farebox.stop(), portkey?.stop(), x402?.stop()])
}

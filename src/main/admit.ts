import { type Addresses, createAddresses } from '../admit/address.ts'
import { type Admission, createAdmission, type Limits } from '../admit/admit.ts'
import { memoryBuckets } from '../admit/buckets.ts'
import { createConnections } from '../admit/connections.ts'
import { createGates, type Gates } from '../admit/gate.ts'
import { redisBuckets } from '../admit/redis.ts'
import type { Config } from '../config.ts'
import type { Door } from '../http/app.ts'
import type { Cut, ServerFacts } from '../http/server.ts'
import type { Base } from './base.ts'

/** Who gets in, and how much at once, as configured. */
export type Admit = {
  admission: Admission
  gates: Gates
  door: Door
  /** For the server: slow and greedy connections. */
  server: ServerFacts
  readerMs: number
  stalled: () => void
  /** Connections cut so far, by why. */
  cuts: () => Readonly<Partial<Record<Cut, number>>>
}

const SAID_EVERY_MS = 10_000

/** Opens the doors. With a store, the instances of a fleet count requests together. */
export const openAdmit = (
  config: Config,
  { clock, log, fleet: { store } }: Pick<Base, 'clock' | 'log' | 'fleet'>,
): Admit => {
  const { headersMs, requestMs, readerMs, maxConnections, maxConnectionsPerAddress } = config.server
  const admission = createAdmission({
    limits: limitsOf(config),
    buckets: store ? redisBuckets({ store, clock, log }) : memoryBuckets({ clock }),
  })
  const gates = createGates({
    clock,
    most: (id) => config.providers.find((one) => one.id === id)?.maxConcurrent || undefined,
  })
  const addresses = openAddresses(config, log)
  const counts: Partial<Record<Cut, number>> = {}
  const said: Partial<Record<Cut, number>> = {}
  const cut = (why: Cut): void => {
    const count = (counts[why] ?? 0) + 1
    counts[why] = count
    const now = clock.now()
    if (now - (said[why] ?? 0) < SAID_EVERY_MS) return
    said[why] = now
    log.warn('connection_cut', { why, count })
  }
  const connections = createConnections({ most: maxConnectionsPerAddress, isFree: addresses.isTrusted })
  return {
    admission,
    gates,
    door: { admission, addresses },
    server: { headersMs, requestMs, maxConnections, connections, cut },
    readerMs,
    stalled: () => cut('slow_reader'),
    cuts: () => counts,
  }
}

// Read each time: a reload changes them.
const limitsOf = (config: Config): Limits => ({
  get unpaid() {
    return { address: config.limits.unpaid.perAddress }
  },
  get paid() {
    return { address: config.limits.paid.perAddress, payer: config.limits.paid.perPayer }
  },
  get signIn() {
    return { address: config.limits.signIn.perAddress }
  },
})

// Behind a proxy that is not named all callers share one address, and would run into its limit together.
const openAddresses = ({ server }: Config, log: Base['log']): Addresses => {
  const addresses = createAddresses(server.trustedProxies)
  let told = server.trustedProxies.length > 0
  return {
    ...addresses,
    subjectOf: (origin) => {
      if (!told && origin.forwarded !== undefined) {
        told = true
        log.warn('forwarded_not_trusted', { remote: origin.remote, set: 'server.trustedProxies' })
      }
      return addresses.subjectOf(origin)
    },
  }
}

import { lookup, Resolver } from 'node:dns/promises'

/** All addresses of a name. */
export type Resolve = (name: string) => Promise<readonly string[]>

/** For names of the operator's own choice: as this machine knows them. */
export const systemResolve: Resolve = async (name) =>
  (await lookup(name, { all: true, verbatim: true })).map(({ address }) => address)

const TIMEOUT_MS = 1_000
const TRIES = 2

/**
 * For names that customers chose: asks the name servers (`servers`; those of this machine when left out) by itself. What
 * asks the system takes one of very few threads until it ends, and a name server that never answers would keep the names
 * of providers and chains waiting too.
 */
export const openResolve =
  (servers?: readonly string[]): Resolve =>
  async (name) => {
    const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES })
    if (servers) resolver.setServers(servers)
    const found = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
    const addresses = found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
    if (addresses.length > 0) return addresses
    const isNone = found.every((one) => one.status === 'rejected' && NONE.has(one.reason?.code))
    throw Object.assign(new Error('no address'), { code: isNone ? 'ENOTFOUND' : 'EAI_AGAIN' })
  }

/** It was asked for, and there is none. */
const NONE = new Set(['ENOTFOUND', 'ENODATA'])

import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { fail } from '../errors.ts'
import { type Log, reasonOf } from '../log.ts'
import type { Store } from './store.ts'

/** How long a command may take, ms: a paid route answers within a second that the store is away. */
const COMMAND_MS = 700
const CONNECT_MS = 600
/** How long replicas may take to have what was written, ms. */
const COPY_MS = 150
const RETRY_MS = 250
/** How long a start goes on trying, ms. */
const START_MS = 3_000

export type RedisFacts = { url: string; log: Log; commandMs?: number }

/**
 * Connects to Redis by its URL: `redis://` or `rediss://` host:port/db, `redis+sentinel://` host:port,host:port/db?master=name,
 * `redis+cluster://` host:port,host:port; `?name=` tells fleets that share one Redis apart, `?wait=N` takes no new call while fewer than N replicas keep up. Rejects when it cannot be reached.
 */
export const openRedis = async ({ url, log, commandMs = COMMAND_MS }: RedisFacts): Promise<Store> => {
  const address = parseStoreUrl(url)
  const client = connect(address, commandMs)
  let told = false
  client.on('error', (error: unknown) => {
    // One line for an outage, not one for each attempt.
    if (!told) log.warn('store_away', { why: reasonOf(error) })
    told = true
  })
  let generation = 0
  client.on('ready', () => {
    generation++
    if (told) log.info('store_back')
    told = false
  })
  try {
    // It goes on trying by itself: a start in a busy moment is not refused for that.
    await client.connect().catch((error: unknown) => readyWithin(client, START_MS, error))
  } catch (error) {
    client.disconnect()
    throw new Error(`Redis does not answer at ${address.shown}: ${reasonOf(error)}`)
  }

  const answer = async <T>(asked: Promise<T>): Promise<T> => {
    try {
      return await asked
    } catch (error) {
      // Replies that Redis itself gives are bugs or refusals of the server; the rest is silence.
      throw fail('ledger_unavailable', { why: reasonOf(error) })
    }
  }

  return {
    prefix: `{${address.name}}:`,
    run: ({ lua, sha }, keys, args) =>
      answer(
        client.evalsha(sha, keys.length, ...keys, ...args).catch((error: unknown) => {
          if (!/NOSCRIPT/.test(reasonOf(error))) throw error
          return client.eval(lua, keys.length, ...keys, ...args)
        }),
      ),
    read: (command, ...args) => answer(client.call(command, ...args)),
    generation: () => generation,
    copied: async () => {
      if (address.replicas === 0) return true
      const count = await client.call('WAIT', address.replicas, COPY_MS).catch(() => 0)
      return Number(count) >= address.replicas
    },
    close: async () => {
      await client.quit().catch(() => {})
      client.disconnect()
    },
  }
}

type Address = {
  kind: 'single' | 'sentinel' | 'cluster'
  hosts: { host: string; port: number }[]
  db: number
  name: string
  master: string
  tls: boolean
  /** So many replicas must have a move before it counts. */
  replicas: number
  username: string | undefined
  password: string | undefined
  /** Without its password. */
  shown: string
}

const SCHEME =
  /^(redis|rediss|redis\+sentinel|redis\+cluster):\/\/(?:([^@/]*)@)?([^/?]+)(?:\/(\d+))?(?:\?(.*))?$/

/** Takes a store URL apart; throws in words for people. */
export const parseStoreUrl = (url: string): Address => {
  const [, scheme, user = '', hosts = '', db = '0', query = ''] = SCHEME.exec(url) ?? []
  if (scheme === undefined)
    throw new Error('must be redis://host:port/db, redis+sentinel://… or redis+cluster://…')
  const params = new URLSearchParams(query)
  const name = params.get('name') ?? 'farebox'
  if (!/^[\w.-]{1,40}$/.test(name)) throw new Error('name must be letters, digits, dots and dashes')
  const kind = scheme === 'redis+sentinel' ? 'sentinel' : scheme === 'redis+cluster' ? 'cluster' : 'single'
  const replicas = Number(params.get('wait') ?? 0)
  if (!Number.isInteger(replicas) || replicas < 0) throw new Error('wait must be a number of replicas')
  if (replicas > 0 && kind === 'cluster')
    throw new Error('wait is not for a Cluster: use min-replicas-to-write there')
  const [username, password] = user.includes(':') ? user.split(/:(.*)/) : [undefined, user]
  return {
    kind,
    hosts: hosts.split(',').map((one) => hostOf(one, kind === 'sentinel' ? 26379 : 6379)),
    db: Number(db),
    name,
    master: params.get('master') ?? 'mymaster',
    tls: scheme === 'rediss',
    replicas,
    username: username ? decodeURIComponent(username) : undefined,
    password: password ? decodeURIComponent(password) : undefined,
    shown: `${scheme}://${hosts}/${db}`,
  }
}

const hostOf = (text: string, port: number): { host: string; port: number } => {
  const [, host = '', given] = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(text) ?? []
  if (host === '') throw new Error(`"${text}" is not a host`)
  return { host: host.replace(/^\[|\]$/g, ''), port: given === undefined ? port : Number(given) }
}

const readyWithin = (client: Redis | Cluster, ms: number, why: unknown): Promise<void> =>
  new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(why), ms)
    client.once('ready', () => {
      clearTimeout(late)
      resolve()
    })
  })

const connect = (address: Address, commandMs: number): Redis | Cluster => {
  const options = {
    lazyConnect: true,
    commandTimeout: commandMs,
    connectTimeout: CONNECT_MS,
    // A lost reply must come back as an error: what it meant is for the scripts to find out.
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    // A master that was deposed: the next connection finds the new one.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    retryStrategy: () => RETRY_MS,
    ...(address.username !== undefined && { username: address.username }),
    ...(address.password !== undefined && { password: address.password }),
    ...(address.tls && { tls: {} }),
  } satisfies RedisOptions
  const { host, port } = address.hosts[0]!
  if (address.kind === 'single') return new Redis({ ...options, host, port, db: address.db })
  if (address.kind === 'sentinel') {
    const { hosts: sentinels, master: name } = address
    return new Redis({ ...options, sentinels, name, db: address.db, sentinelRetryStrategy: () => RETRY_MS })
  }
  return new Cluster(address.hosts, {
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: () => RETRY_MS,
    slotsRefreshTimeout: CONNECT_MS,
    retryDelayOnFailover: RETRY_MS,
    maxRedirections: 3,
    redisOptions: options,
  })
}

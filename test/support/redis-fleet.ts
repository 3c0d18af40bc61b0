import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, type RedisOptions, type RedisProcess, startRedis, startServer } from './redis.ts'

/** Starts a replica and resolves when it has copied what its master holds. */
export const startReplica = async (
  master: RedisProcess,
  options: RedisOptions = {},
): Promise<RedisProcess> => {
  const follow = ['--replicaof', '127.0.0.1', String(master.port), '--repl-diskless-sync-delay', '0']
  const replica = await startRedis({ ...options, args: [...follow, ...(options.args ?? [])] })
  await until('the replica follows', async () => (await info(replica)).includes('master_link_status:up'))
  return replica
}

/** A Sentinel alone decides (quorum 1) half a second after its master is gone. */
export type SentinelProcess = RedisProcess & {
  /** The port of the server that is master now. */
  master: () => Promise<number>
}

/** Watches `master` under the name "mymaster"; resolves when it knows all `replicas`. */
export const startSentinel = async (facts: {
  master: RedisProcess
  replicas?: number
  downAfterMs?: number
}): Promise<SentinelProcess> => {
  const { master, replicas = 1, downAfterMs = 500 } = facts
  const dir = mkdtempSync(join(tmpdir(), 'farebox-sentinel-'))
  const file = join(dir, 'sentinel.conf')
  writeFileSync(
    file,
    [
      `sentinel monitor mymaster 127.0.0.1 ${master.port} 1`,
      `sentinel down-after-milliseconds mymaster ${downAfterMs}`,
      'sentinel failover-timeout mymaster 2000',
    ].join('\n'),
  )
  const server = await startServer({
    dir,
    command: (port) => [file, '--sentinel', '--port', String(port)],
  })
  const known = async () => {
    const list = await server.cli('SENTINEL', 'REPLICAS', 'mymaster')
    return Array.isArray(list) && list.length >= replicas
  }
  await until('the sentinel knows the replicas', known, 15_000)
  return {
    ...server,
    url: `redis+sentinel://127.0.0.1:${server.port}/0?master=mymaster`,
    get pid() {
      return server.pid
    },
    master: async () => {
      const at = await server.cli('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'mymaster')
      return Array.isArray(at) ? Number(at[1]) : 0
    },
    stop: async () => {
      await server.stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

export type ClusterProcesses = { url: string; nodes: RedisProcess[]; stop: () => Promise<void> }

const SLOTS = 16_384

/** Starts `size` masters that share the slots evenly, and resolves when each says cluster_state:ok. */
export const startCluster = async (size = 3, options: RedisOptions = {}): Promise<ClusterProcesses> => {
  const starting = Array.from({ length: size }, async () => {
    const bus = await freePort()
    const own = ['--cluster-enabled', 'yes', '--cluster-port', String(bus), '--cluster-node-timeout', '2000']
    return { bus, node: await startRedis({ ...options, args: [...own, ...(options.args ?? [])] }) }
  })
  const members = await Promise.all(starting)
  const [first] = members
  for (const [at, { node, bus }] of members.entries()) {
    const from = Math.floor((at * SLOTS) / size)
    const to = Math.floor(((at + 1) * SLOTS) / size) - 1
    await node.cli('CLUSTER', 'ADDSLOTSRANGE', from, to)
    if (at > 0) await first!.node.cli('CLUSTER', 'MEET', '127.0.0.1', node.port, bus)
  }
  const nodes = members.map(({ node }) => node)
  for (const node of nodes)
    await until(
      'the cluster agrees',
      async () => {
        const state = String(await node.cli('CLUSTER', 'INFO'))
        return state.includes('cluster_state:ok') && state.includes(`cluster_known_nodes:${size}`)
      },
      20_000,
    )
  return {
    url: `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    nodes,
    stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))),
  }
}

const info = async (node: RedisProcess): Promise<string> => String(await node.cli('INFO', 'replication'))

const until = async (what: string, holds: () => Promise<boolean>, ms = 10_000): Promise<void> => {
  const end = Date.now() + ms
  while (!(await holds().catch(() => false))) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain: ${what}`)
    await sleep(50)
  }
}

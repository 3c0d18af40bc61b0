import { spawn, spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'

/** A server in a process of its own. `ask` sends it a question over IPC; `cpuMs` is what it has used since it began. */
export type ServerProcess = {
  url: string
  pid: number
  ask: <T>(what: string, arg?: unknown) => Promise<T>
  cpuMs: () => Promise<number>
  stop: () => Promise<void>
}

export type Start = {
  /** Absolute path of the script. */
  script: string
  args?: readonly string[]
  env?: Readonly<Record<string, string>>
  execArgv?: readonly string[]
  /** `measured` runs alone on the first core, `beside` with the rest of the bench on the others. */
  core: 'measured' | 'beside'
}

const START_MS = 20_000
const PRELOAD = fileURLToPath(new URL('./servers/preload.cjs', import.meta.url))

/** Cores of this machine, before `stepAside` leaves this process fewer. */
export const coreCount = availableParallelism()

/** Cores by role, as `taskset` names them; undefined where processes cannot be pinned. */
export const cores: { measured: string; beside: string } | undefined = (() => {
  if (process.platform !== 'linux' || coreCount < 2) return undefined
  if (spawnSync('taskset', ['-c', '0', 'true']).status !== 0) return undefined
  return { measured: '0', beside: coreCount === 2 ? '1' : `1-${coreCount - 1}` }
})()

/** Moves this process, and so everything it starts later, off the core that is measured. */
export const stepAside = (): void => {
  if (cores) spawnSync('taskset', ['-a', '-p', '-c', cores.beside, String(process.pid)])
}

/** Starts a server and waits until it says where it listens; throws when it ends first or says nothing for 20 s. */
export const startServer = async ({
  script,
  args = [],
  env = {},
  execArgv = [],
  core,
}: Start): Promise<ServerProcess> => {
  const node = [process.execPath, '--require', PRELOAD, ...execArgv, script, ...args]
  const [command, ...rest] = cores ? ['taskset', '-c', cores[core], ...node] : node
  const child = spawn(command!, rest, {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, NODE_ENV: 'production', ...env },
  })
  const waiting = new Map<number, (answer: never) => void>()
  let asked = 0
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const url = await new Promise<string>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${script} is not up after ${START_MS} ms`)), START_MS)
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`${script} ended with ${code} before it was up`)))
    child.on('message', (message: { ready?: string; n?: number; answer?: unknown }) => {
      if (message.ready !== undefined) {
        clearTimeout(late)
        resolve(message.ready)
      } else if (message.n !== undefined) {
        waiting.get(message.n)?.(message.answer as never)
        waiting.delete(message.n)
      }
    })
  }).catch((error) => {
    child.kill('SIGKILL')
    throw error
  })

  const ask = <T>(what: string, arg?: unknown): Promise<T> =>
    new Promise((resolve, reject) => {
      const n = ++asked
      waiting.set(n, resolve)
      ended.then(() => reject(new Error(`${script} ended while it was asked for ${what}`)))
      child.send({ n, ask: what, arg })
    })
  return {
    url,
    pid: child.pid!,
    ask,
    cpuMs: async () => {
      const { user, system } = await ask<NodeJS.CpuUsage>('cpu')
      return (user + system) / 1000
    },
    stop: async () => {
      const late = setTimeout(() => child.kill('SIGKILL'), 10_000)
      if (child.connected) child.disconnect()
      await ended
      clearTimeout(late)
    },
  }
}

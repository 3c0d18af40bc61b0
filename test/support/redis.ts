import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { redisServer } from './redis-server.ts'

/** A real redis-server on loopback, in a process of its own, so that it can be stopped, frozen and killed. */
export type RedisProcess = {
  /** redis://127.0.0.1:port/0; add `?name=` for a fleet of its own. */
  url: string
  port: number
  dir: string
  readonly pid: number
  /** Ends it for good and removes the directory that was made for it. */
  stop: () => Promise<void>
  /** Ends it as an operator would, keeping its files for `restart`. */
  quit: () => Promise<void>
  /** Ends it as a power cut would, keeping its files for `restart`. */
  kill9: () => Promise<void>
  /** Starts it again on the same port and files; ends it first when it runs. */
  restart: () => Promise<void>
  /** Freezes the process: connections stay open, nothing answers. */
  pause: () => void
  resume: () => void
  /** One command over a connection of its own; rejects with what Redis says. */
  cli: (...args: (string | number)[]) => Promise<unknown>
}

export type RedisOptions = {
  port?: number
  /** Added to the command line; later ones win. Without any, nothing is kept on disk. */
  args?: readonly string[]
  dir?: string
}

/** What makes Redis fit to hold money: every write is on disk before it is answered, nothing is evicted. */
export const DURABLE: readonly string[] = [
  ...['--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory-policy', 'noeviction'],
]

/** Starts a server of its own and resolves when it answers. */
export const startRedis = async (options: RedisOptions = {}): Promise<RedisProcess> => {
  const args = ['--save', '', '--appendonly', 'no', ...(options.args ?? [])]
  return startServer({ ...options, command: (port, dir) => ['--port', `${port}`, '--dir', dir, ...args] })
}

/** Starts a server by its command line, which may be a Sentinel's. */
export const startServer = async (facts: {
  port?: number
  dir?: string
  command: (port: number, dir: string) => readonly string[]
}): Promise<RedisProcess> => {
  const binary = await redisServer()
  const port = facts.port ?? (await freePort())
  const dir = facts.dir ?? mkdtempSync(join(tmpdir(), 'farebox-redis-'))
  const common = [
    '--bind',
    '127.0.0.1',
    '--daemonize',
    'no',
    '--protected-mode',
    'no',
    '--loglevel',
    'notice',
  ]
  const command = [...facts.command(port, dir), ...common]
  const cli = (...args: (string | number)[]) => ask(port, args)
  let child: ChildProcess | undefined
  const end = async (signal: NodeJS.Signals) => {
    const ended = child
    child = undefined
    if (!ended || ended.exitCode !== null || ended.signalCode !== null) return
    const gone = new Promise((resolve) => ended.once('exit', resolve))
    ended.kill(signal)
    ended.kill('SIGCONT')
    await gone
  }
  const start = async () => {
    child = await launch(binary, command, cli)
  }
  await start()
  const forget = () => void child?.kill('SIGKILL')
  process.once('exit', forget)
  return {
    url: `redis://127.0.0.1:${port}/0`,
    port,
    dir,
    get pid() {
      return child?.pid ?? 0
    },
    stop: async () => {
      process.removeListener('exit', forget)
      await end('SIGKILL')
      if (facts.dir === undefined) rmSync(dir, { recursive: true, force: true })
    },
    quit: () => end('SIGTERM'),
    kill9: () => end('SIGKILL'),
    restart: async () => {
      await end('SIGTERM')
      await start()
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    cli,
  }
}

const launch = async (
  binary: string,
  args: readonly string[],
  cli: RedisProcess['cli'],
): Promise<ChildProcess> => {
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  const collect = (part: Buffer) => {
    text = (text + part.toString('utf8')).slice(-4000)
  }
  child.stdout?.on('data', collect)
  child.stderr?.on('data', collect)
  for (let waited = 0; waited < 10_000; waited += 20) {
    if (child.exitCode !== null || child.signalCode !== null) break
    // A server that still reads its files answers LOADING.
    if (await cli('PING').catch(() => false)) return child
    await sleep(20)
  }
  child.kill('SIGKILL')
  throw new Error(`redis-server did not start: ${text}`)
}

const ask = async (port: number, [command = 'PING', ...args]: (string | number)[]): Promise<unknown> => {
  const client = new Redis({
    host: '127.0.0.1',
    port,
    lazyConnect: true,
    commandTimeout: 5_000,
    retryStrategy: () => null,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    return await client.call(String(command), ...args)
  } finally {
    client.disconnect()
  }
}

/** A port that nothing listens on at this moment. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })

/** "Just a Redis": the one that REDIS_URL names, or one started for this test file. */
export type SharedRedis = {
  /** A store URL that no other test shares: the name gets a random ending. */
  url: (name?: string) => string
  stop: () => Promise<void>
}

/** Call it once a file, in `beforeAll`; it never skips: without a Redis to use or to start it throws. */
export const sharedRedis = async (): Promise<SharedRedis> => {
  const given = process.env['REDIS_URL']
  const own = given === undefined ? await startRedis() : undefined
  const [base = '', query = ''] = (own?.url ?? given ?? '').split('?')
  return {
    url: (name = 'test') => {
      const params = new URLSearchParams(query)
      params.set('name', `${name.slice(0, 24)}-${randomBytes(5).toString('hex')}`)
      return `${base}?${params}`
    },
    stop: async () => own?.stop(),
  }
}

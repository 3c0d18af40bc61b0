import { spawnSync } from 'node:child_process'
import { closeSync, openSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const BINARY = 'redis-server'
const LOCK = join(tmpdir(), 'farebox-redis-install.lock')
const INSTALL_MS = 240_000

/** What a machine without Redis is told. */
export const HOW_TO_INSTALL =
  'these tests need redis-server 7 or newer on PATH: `apt-get install redis-server` or `brew install redis`'

const runs = (): boolean => spawnSync(BINARY, ['--version'], { stdio: 'ignore' }).status === 0

/** The command that starts Redis; installs Debian's package when root and there is none; throws what to install otherwise. */
export const redisServer = async (): Promise<string> => {
  if (runs()) return BINARY
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status !== 0)
    throw new Error(HOW_TO_INSTALL)
  const unlock = await lock()
  try {
    if (!runs() && !install()) {
      apt('update')
      install()
    }
  } finally {
    unlock()
  }
  if (!runs()) throw new Error(`${HOW_TO_INSTALL} (apt-get could not)`)
  return BINARY
}

const install = (): boolean => apt('install', '-y', '--no-install-recommends', BINARY)

const apt = (...args: string[]): boolean =>
  spawnSync('apt-get', args, {
    stdio: 'ignore',
    timeout: INSTALL_MS,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
  }).status === 0

/** Test workers that ask at once take turns; a lock that outlived its holder does not count. */
const lock = async (): Promise<() => void> => {
  for (;;) {
    try {
      closeSync(openSync(LOCK, 'wx'))
      return () => rmSync(LOCK, { force: true })
    } catch {
      const age = Date.now() - (statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs ?? Date.now())
      if (age > 2 * INSTALL_MS) rmSync(LOCK, { force: true })
      await sleep(200)
    }
  }
}

import { unwatchFile, watchFile } from 'node:fs'
import type { Config } from '../config.ts'
import type { Ledger } from '../ledger/ledger.ts'

/** What a command needs of a running router. */
export type Running = {
  url: string
  deps: { ledger: Ledger }
  /** Takes over what `read` gives, or says in the log why not. Never rejects. */
  reload: (read: () => Config) => Promise<unknown>
  close: (drainMs?: number) => Promise<void>
}

export type ServeFacts = {
  /** Reads the configuration, at the start and again on SIGHUP; throws with every mistake. */
  read: () => Config
  start: (config: Config, options: { probe?: (point: string) => void }) => Promise<Running>
  /** Files that are read again as soon as they change. */
  watch?: readonly string[]
  /** Dies at this crash point, for the crash matrix (FAREBOX_CRASH_AT). */
  crashAt: string | undefined
}

const WATCH_MS = 1_000

/** `farebox serve`: runs until SIGINT or SIGTERM, then lets running calls finish; a second signal ends it at once. SIGHUP reads the configuration again. */
export const serve = async ({ read, start, watch = [], crashAt }: ServeFacts): Promise<number> => {
  // Also while it starts: what came up half way ends in order.
  const told = signalled()
  void told.then(() => {
    process.once('SIGINT', () => process.exit(130))
    process.once('SIGTERM', () => process.exit(143))
  })
  const running = await start(read(), crashAt === undefined ? {} : { probe: dieAt(crashAt) })
  const again = () => void running.reload(read)
  process.on('SIGHUP', again)
  for (const file of watch) {
    watchFile(file, { interval: WATCH_MS, persistent: false }, (now, before) => {
      if (now.mtimeMs !== before.mtimeMs) again()
    })
  }
  await told
  for (const file of watch) unwatchFile(file)
  await running.close()
  return 0
}

/** Resolves at the first SIGINT or SIGTERM. */
export const signalled = (): Promise<void> =>
  new Promise((resolve) => {
    process.once('SIGINT', () => resolve())
    process.once('SIGTERM', () => resolve())
  })

const dieAt = (wanted: string) => (point: string) => {
  if (point === wanted) process.kill(process.pid, 'SIGKILL')
}

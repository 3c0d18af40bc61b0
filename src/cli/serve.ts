import type { Config } from '../config.ts'
import type { Ledger } from '../ledger/ledger.ts'

/** What a command needs of a running router. */
export type Running = { url: string; deps: { ledger: Ledger }; close: (drainMs?: number) => Promise<void> }

export type ServeFacts = {
  config: Config
  start: (config: Config, options: { probe?: (point: string) => void }) => Promise<Running>
  /** Dies at this crash point, for the crash matrix (FAREBOX_CRASH_AT). */
  crashAt: string | undefined
}

/** `farebox serve`: runs until SIGINT or SIGTERM, then lets running calls finish; a second signal ends it at once. */
export const serve = async ({ config, start, crashAt }: ServeFacts): Promise<number> => {
  const running = await start(config, crashAt === undefined ? {} : { probe: dieAt(crashAt) })
  await signalled()
  process.once('SIGINT', () => process.exit(130))
  process.once('SIGTERM', () => process.exit(143))
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

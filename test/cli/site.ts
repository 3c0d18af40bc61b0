import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { storeWay, type Way } from '../../src/cli/desk-way.ts'
import { systemClock } from '../../src/clock.ts'
import { type Config, readConfig } from '../../src/config.ts'
import { openLedger, openRecords } from '../../src/main/fleet.ts'

export const ENV = {
  FAREBOX_QUOTE_SECRET: 'a-quote-secret-that-is-long-enough-for-tests',
  FAREBOX_SETTLER_KEY: `0x${'11'.repeat(32)}`,
  ROOT_PASSWORD: 'a password of root',
}

const yaml = (store: string) => `
server: { port: 8402 }
store: "${store}"
chains:
  - id: eip155:84532
    rpc: ["http://127.0.0.1:1"]
    payTo: "0x0000000000000000000000000000000000000001"
    assets: [{ symbol: USDC }]
providers: [{ id: simulated, type: simulated }]
models: [{ id: simulated/talk, hosts: [{ provider: simulated, model: talk }], inputPerMillion: "0.15", outputPerMillion: "0.60" }]
desk: { operators: [{ name: root, passwordEnv: ROOT_PASSWORD }] }
`

export type Site = {
  /** A configuration file whose store is a SQLite file beside it. */
  file: string
  config: Config
  /** A way over its store, as the command line opens it; it stays open until `stop`. */
  way: (as?: string) => () => Promise<Way>
  stop: () => Promise<void>
}

/** What an operator has on its disk. */
export const site = (): Site => {
  const dir = mkdtempSync(join(tmpdir(), 'farebox-cli-'))
  const text = yaml(`sqlite:${join(dir, 'farebox.db')}`)
  const file = join(dir, 'farebox.yaml')
  writeFileSync(file, text)
  const config = readConfig(text, ENV)
  const open: Way[] = []
  return {
    file,
    config,
    way: (as) => {
      let way: Promise<Way> | undefined
      const opening = async () => {
        const one = await storeWay({
          config,
          openRecords: (store) => openRecords(store, systemClock),
          openLedger: (store) => openLedger(store, systemClock),
          clock: systemClock,
          as,
        })
        open.push(one)
        return { ...one, close: async () => {} }
      }
      return () => {
        way ??= opening()
        return way
      }
    },
    stop: async () => {
      for (const one of open) await one.close()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** Lines that a command prints. */
export const paper = () => {
  const lines: string[] = []
  return { lines, out: (line: string) => void lines.push(line), text: () => lines.join('\n') }
}

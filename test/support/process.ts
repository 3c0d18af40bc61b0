import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PAY_TO } from './world.ts'

const BIN = fileURLToPath(new URL('../../bin/farebox.js', import.meta.url))

/** A router in a process of its own, so that it can be killed. */
export type RouterProcess = {
  url: string
  pid: number
  /** Resolves with the signal that ended it, or its exit code. */
  ended: Promise<string>
  kill: (signal: NodeJS.Signals) => void
}

export type RouterFiles = {
  config: string
  db: string
  env: Record<string, string>
  /** Gets what the process writes, as it comes. */
  heard?: (text: string) => void
  /** More arguments of `serve`. */
  args?: readonly string[]
}

/** Writes a configuration into `dir`; every call there shares one SQLite ledger. */
export const routerFiles = (facts: {
  dir: string
  rpc: string
  chainId: number
  token: string
  upstream: string
  settlerKey: string
}): RouterFiles => {
  const db = join(facts.dir, 'ledger.db')
  const config = join(facts.dir, 'farebox.yaml')
  writeFileSync(
    config,
    `
server: { port: 0 }
store: "sqlite:${db}"
chains:
  - id: eip155:${facts.chainId}
    rpc: ["${facts.rpc}"]
    payTo: "${PAY_TO}"
    pollMs: 50
    assets: [{ symbol: USDC, address: "${facts.token}" }]
providers: [{ id: up, type: openai, baseUrl: "${facts.upstream}" }]
models:
  - { id: test/small, hosts: [{ provider: up, model: upstream-model }], inputPerMillion: "1", outputPerMillion: "2" }
`,
  )
  const env = {
    FAREBOX_QUOTE_SECRET: 'a-quote-secret-that-is-long-enough-for-tests',
    FAREBOX_SETTLER_KEY: facts.settlerKey,
  }
  return { config, db, env }
}

/** Starts a router and waits until it listens. `crashAt` names the point where it kills itself. */
export const startRouter = (
  { config, env, heard, args = [] }: RouterFiles,
  crashAt?: string,
): Promise<RouterProcess> => {
  const child = spawn(process.execPath, [BIN, 'serve', '--config', config, ...args], {
    env: { ...process.env, ...env, ...(crashAt && { FAREBOX_CRASH_AT: crashAt }) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<string>((resolve) =>
    child.once('exit', (code, signal) => resolve(signal ?? String(code))),
  )
  if (heard) {
    child.stdout?.on('data', (part: Buffer) => heard(part.toString('utf8')))
    child.stderr?.on('data', (part: Buffer) => heard(part.toString('utf8')))
  }
  return listening(child, ended).then((url) => ({
    url,
    pid: child.pid ?? 0,
    ended,
    kill: (signal) => void child.kill(signal),
  }))
}

const listening = (child: ChildProcess, ended: Promise<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = ''
    const fail = (why: string) => reject(new Error(`the router did not start (${why}): ${text.slice(-2000)}`))
    const collect = (part: Buffer) => {
      text += part.toString('utf8')
      const url = /"url":"(http[^"]+)"/.exec(text)?.[1]
      if (url) resolve(url)
      if (text.length > 100_000) text = text.slice(-10_000)
    }
    child.stdout?.on('data', collect)
    child.stderr?.on('data', collect)
    void ended.then(fail)
  })

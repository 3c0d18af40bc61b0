import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export type Ran = { code: number | null; output: string }

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Runs a program in the repository and collects what it prints; killed after a minute. */
export const runProgram = (
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Ran> =>
  new Promise((resolve, reject) => {
    const env = { ...process.env, NO_COLOR: '1', ...options.env }
    const child = spawn(command, args, { cwd: options.cwd ?? ROOT, env, timeout: 120_000 })
    let output = ''
    child.stdout.on('data', (part: Buffer) => {
      output += part.toString('utf8')
    })
    child.stderr.on('data', (part: Buffer) => {
      output += part.toString('utf8')
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })

/** Runs a file of this repository with the Node that runs the tests. */
export const runNode = (args: readonly string[], env?: Record<string, string>): Promise<Ran> =>
  runProgram(process.execPath, args, env ? { env } : {})

/** cli/: one file a command, loaded when it is asked for; this one is the table of commands and their options. */
import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { Command } from 'commander'
import { systemClock } from '../clock.ts'
import { type Config, readConfig } from '../config.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Records } from '../store/records.ts'
import { configHelp } from './config-help.ts'
import { deskCommands } from './program-desk.ts'
import type { ReconcileOptions } from './reconcile-chains.ts'
import { type ServeFacts, serve } from './serve.ts'
import { COLUMNS_HELP as RECONCILE_HELP } from './statement-columns.ts'
import { wordsFor } from './words.ts'

export type Wiring = {
  start: ServeFacts['start']
  openLedger: (store: string) => Promise<Ledger>
  openRecords: (store: string) => Promise<Records>
  env: Readonly<Record<string, string | undefined>>
}

type Env = Wiring['env']
const out = (line: string) => console.log(line)

/** Runs one command line; returns the exit code: 0 done, 1 findings or a refusal, 2 could not run. */
export const runProgram = async (
  args: readonly string[],
  { start, openLedger, openRecords, env }: Wiring,
): Promise<number> => {
  let code = 0
  const program = new Command('farebox')
    .description(
      'The agent-native LLM payment router: 402 with a price, paid in USDC, routed, streamed, billed by use.',
    )
    .version('0.1.0')
    .showHelpAfterError()
  const command = (name: string, description: string) => program.command(name).description(description)
  const withConfig = (one: Command) => one.option('-c, --config <file>', 'configuration file', 'farebox.yaml')
  const withBuyer = (one: Command) =>
    one
      .option('-u, --url <url>', 'a Farebox', 'http://127.0.0.1:8402')
      .option('-m, --model <model>', 'model to ask', 'auto')
      .option('--max-tokens <n>', 'most output tokens', Number)
  const withWays = (one: Command) =>
    one
      .option('--asset <spec>', 'also pay with this token: eip155:ID/0xADDRESS[:decimals]', collect, [])
      .option('--scheme <way>', 'pay so, in this order: channel, exact, upto, permit2', collect, [])
      .option('--channel <usd>', 'pay out of channels, with deposits of this much')
      .option('--rpc <spec>', 'look at this chain for allowances: eip155:ID=URL', collect, [])

  withConfig(command('serve', 'Run the router.'))
    .option(
      '--facilitator',
      'also be an x402 facilitator for others: POST /verify and /settle, GET /supported',
    )
    .option(
      '--env-file <file>',
      'NAME=value lines for the environment variables; read again with the configuration',
    )
    .option('--watch', 'read the configuration again when it changes, as on SIGHUP')
    .addHelpText('after', () => `\n${configHelp()}`)
    .action(async (options: { config: string; facilitator?: boolean; envFile?: string; watch?: boolean }) => {
      const read = () => {
        const config = load(options.config, { ...env, ...environmentFile(options.envFile) })
        if (options.facilitator) config.facilitator.serve.enabled = true
        return config
      }
      const watch = options.watch ? [options.config, ...(options.envFile ? [options.envFile] : [])] : []
      code = await serve({ read, start, watch, crashAt: env['FAREBOX_CRASH_AT'] })
    })
  command('demo', 'Watch an agent buy three calls on a local chain: needs no account, key or network.')
    .option('--stay', 'leave everything running afterwards')
    .action(async (options: { stay?: boolean }) => {
      const { demo } = await import('./demo/demo.ts')
      code = await demo({ start, stay: options.stay === true, env })
    })
  command('localnet', 'Put the test USDC on a fresh local net, for docker compose and for trying things out.')
    .option('--rpc <url>', 'the node', 'http://127.0.0.1:8545')
    .option('--to <address>', 'also give 1,000 USDC to this wallet')
    .action(async (options: { rpc: string; to?: string }) => {
      const { localnet } = await import('./localnet.ts')
      code = await localnet({ rpc: options.rpc, key: ANVIL_FIRST_KEY, to: options.to, out })
    })
  withBuyer(command('quote <prompt>', 'Ask what a call would cost.')).action(
    async (prompt: string, options) => {
      const { quote } = await import('./quote.ts')
      code = await quote({ ...options, prompt, out })
    },
  )
  withWays(
    withBuyer(command('call <prompt>', 'Buy one call: pays with the wallet key in FAREBOX_WALLET_KEY.')),
  )
    .option('--stream', 'print the answer as it comes')
    .option('--max-usd <usd>', 'pay at most this much', '0.10')
    .action(async (prompt: string, options) => {
      const { call } = await import('./call.ts')
      code = await call({ ...options, prompt, env, out })
    })
  withWays(command('proxy', 'Run a local endpoint that pays: point any OpenAI or Anthropic client at it.'))
    .option('-u, --url <url>', 'a Farebox', 'http://127.0.0.1:8402')
    .option('-p, --port <port>', 'port to listen on, loopback only', Number, 8403)
    .option('--max-usd <usd>', 'pay at most this much per call', '0.10')
    .option('--max-total <usd>', 'pay at most this much in total', '5')
    .action(async (options) => {
      const { proxy } = await import('./proxy.ts')
      code = await proxy({ ...options, env, out })
    })
  withConfig(command('reconcile', 'Compare the ledger with the chain, transfer by transfer.'))
    .option('--from <block>', 'first block, or first day of a statement (YYYY-MM-DD, UTC)')
    .option('--to <block>', 'last block, or last day of a statement')
    .option('--json', 'print JSON')
    .option('--csv', 'print a statement as CSV')
    .option('--repair', 'book what the ledger lost, such as after a restored backup; stop the router first')
    .option('--statement <by>', 'sums by day, payer or asset, checked against the chain')
    .addHelpText('after', `\n${RECONCILE_HELP}`)
    .action(async ({ config, ...options }: ReconcileOptions & { config: string }) => {
      const { reconcileChains } = await import('./reconcile-chains.ts')
      code = await reconcileChains({ config: load(config, env), openLedger, options, out })
    })
  const books = program.command('ledger').description('Work with the ledger.')
  withConfig(books.command('verify').description('Check that the ledger holds all it promises.'))
    .option('--json', 'print JSON')
    .action(async (options: { config: string; json?: boolean }) => {
      const { exposure, ...config } = load(options.config, env)
      const { ledgerVerify } = await import('./ledger-verify.ts')
      const json = options.json === true
      code = await withLedger(config, openLedger, (ledger) =>
        ledgerVerify({ ledger, exposure, now: systemClock.now(), out, json }),
      )
    })
  withConfig(books.command('restore').description('Fill an empty store from an archive.'))
    .requiredOption('--from <file>', 'the archive')
    .action(async (options: { config: string; from: string }) => {
      const config = load(options.config, env)
      const { ledgerRestore } = await import('./ledger-restore.ts')
      code = await withLedger(config, openLedger, (ledger) =>
        ledgerRestore({ ledger, open: openLedger, from: options.from, out }),
      )
    })
  const end = (done: number) => {
    code = done
  }
  deskCommands(program, { openRecords, openLedger, env, load: (file) => load(file, env), out, end })
  withConfig(command('doctor', 'Check the configuration, chains, assets, settler and providers.')).action(
    async (options: { config: string }) => {
      const { doctor } = await import('./doctor.ts')
      code = await doctor({ config: load(options.config, env), out })
    },
  )
  try {
    await program.parseAsync([...args], { from: 'user' })
    return code
  } catch (error) {
    console.error(wordsFor(error))
    return 2
  }
}

// Public knowledge: the first account of every anvil.
const ANVIL_FIRST_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'

const collect = (value: string, all: readonly string[]): string[] => [...all, value]

const load = (file: string, env: Env): Config => {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    throw new Error(`cannot read ${file}; copy farebox.example.yaml and say --config FILE`)
  }
  return readConfig(text, env)
}

const environmentFile = (file: string | undefined): NodeJS.Dict<string> => {
  try {
    return file === undefined ? {} : parseEnv(readFileSync(file, 'utf8'))
  } catch {
    throw new Error(`cannot read ${file}`)
  }
}

const withLedger = async (
  config: Pick<Config, 'store'>,
  open: Wiring['openLedger'],
  use: (ledger: Ledger) => Promise<number>,
): Promise<number> => {
  const ledger = await open(config.store)
  try {
    return await use(ledger)
  } finally {
    await ledger.close()
  }
}

import type { Command } from 'commander'
import { systemClock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Records } from '../store/records.ts'
import type { Way } from './desk-way.ts'
import type { NewKey } from './keys.ts'

export type DeskWiring = {
  openRecords: (store: string) => Promise<Records>
  openLedger: (store: string) => Promise<Ledger>
  env: Readonly<Record<string, string | undefined>>
  load: (file: string) => Config
  out: (line: string) => void
  /** The exit code of what was done. */
  end: (code: number) => void
}

type Where = { config: string; url?: string; as?: string }

/** The commands for organisations: `desk`, `keys` and `audit`. */
export const deskCommands = (program: Command, wiring: DeskWiring): void => {
  const { openRecords, openLedger, env, load, out, end } = wiring
  const withConfig = (one: Command) => one.option('-c, --config <file>', 'configuration file', 'farebox.yaml')
  const withWay = (one: Command) =>
    withConfig(one).option('-u, --url <url>', 'ask a running router, by the token in FAREBOX_DESK_TOKEN')
  const way =
    ({ config, url, as }: Where) =>
    async (): Promise<Way> => {
      const { routerWay, storeWay } = await import('./desk-way.ts')
      if (url === undefined)
        return storeWay({ config: load(config), openRecords, openLedger, clock: systemClock, as })
      if (as !== undefined) throw new Error('--as is for the store; a token is who its maker is')
      return routerWay(url, env['FAREBOX_DESK_TOKEN'])
    }

  withWay(
    program
      .command('desk [operation] [input...]')
      .description('Do an operation of the desk, its input as name=value; without one, list them.'),
  )
    .option('--input <json>', 'the input as JSON; - reads it from the standard input')
    .option('--approval <id>', 'an approval that was given for exactly this')
    .option('--as <who>', 'whose tokens and sessions: an operator of the configuration, or the id of a user')
    .option('--fields', 'tell what the operation takes')
    .action(async (operation: string | undefined, words: string[], options: Where & object) => {
      const { deskCommand } = await import('./desk.ts')
      end(await deskCommand({ ...options, operation, words, way: way(options), out }))
    })

  const keys = program.command('keys').description('Keys of organisations, their teams and users.')
  withWay(keys.command('create').description('Make a key, and what is missing above it by name.'))
    .option('--org <name>', 'organisation')
    .option('--org-id <id>', 'or its id')
    .option('--team <name>', 'team; without one the user stands right below the organisation')
    .option('--team-id <id>', 'or its id')
    .option('--user <name>', 'a person or a service')
    .option('--user-id <id>', 'or its id')
    .requiredOption('--name <name>', 'what the key is called')
    .option('--wallet <address>', 'what this wallet pays for is the key’s')
    .option('--wallet-signature <signature>', 'the wallet’s own word for it, where you do not run the router')
    .option('--no-bearer', 'only the wallet, no secret')
    .option(
      '--budget <per=usd>',
      'day=5 or month=100,soft,rolling or hour=1,Europe/Berlin; may be repeated',
      collect,
      [],
    )
    .option('--models <ids>', 'models that may answer, by commas, also with * at the end')
    .option('--max-per-call <usd>', 'most that one call may cost')
    .option('--approval <id>', 'an approval that was given for exactly this')
    .action(async (options: Where & NewKey) => {
      const { keysCreate } = await import('./keys.ts')
      end(await keysCreate({ ...options, way: way(options), out }))
    })
  withWay(keys.command('list').description('List keys, where they stand, and what was spent.'))
    .option('--org <name>', 'only those of this organisation')
    .option('--org-id <id>', 'the same by its id')
    .option('--json', 'print JSON')
    .action(async (options: Where & { org?: string; orgId?: string; json?: boolean }) => {
      const { keysList } = await import('./keys.ts')
      end(await keysList({ ...options, json: options.json === true, way: way(options), out }))
    })
  for (const frozen of [true, false]) {
    const name = frozen ? 'freeze' : 'unfreeze'
    const does = frozen ? 'Stop a key, or all below a user, team or organisation' : 'Let it go on'
    withWay(keys.command(`${name} <id>`).description(`${does}.`)).action(
      async (id: string, options: Where) => {
        const { keysFreeze } = await import('./keys.ts')
        end(await keysFreeze({ way: way(options), out, id, frozen }))
      },
    )
  }
  withWay(
    keys.command('rotate <id>').description('Give a key a new secret; the old one ends at once.'),
  ).action(async (id: string, options: Where) => {
    const { keysRotate } = await import('./keys.ts')
    end(await keysRotate({ way: way(options), out, id }))
  })

  const audit = program.command('audit').description('Work with the log of who changed what.')
  const withRecords = async (file: string, use: (records: Records) => Promise<number>): Promise<void> => {
    const { store } = load(file)
    if (store === 'memory:') throw new Error('store memory: keeps no log that another process could read')
    const records = await openRecords(store)
    try {
      end(await use(records))
    } finally {
      await records.close()
    }
  }
  withConfig(audit.command('verify').description('Check that no row of it is missing or altered.'))
    .option('--json', 'print JSON')
    .action(async ({ config, json = false }: { config: string; json?: boolean }) => {
      const { auditVerify } = await import('./audit.ts')
      await withRecords(config, (records) => auditVerify({ records, out, json }))
    })
  withConfig(audit.command('export').description('Print it, oldest first.'))
    .option('--format <kind>', 'csv or jsonl', 'csv')
    .option('--org <id>', 'only rows of this organisation')
    .action(async ({ config, format, org }: { config: string; format: string; org?: string }) => {
      const { auditExport } = await import('./audit.ts')
      await withRecords(config, (records) => auditExport({ records, out, format, org }))
    })
}

const collect = (value: string, all: readonly string[]): string[] => [...all, value]

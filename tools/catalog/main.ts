/** `npm run catalog -- --date YYYY-MM-DD`: writes data/catalog.json from the facts in data/catalog/. `--check` only compares. */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { buildCatalog, type CatalogFile } from './build.ts'
import { readRows } from './rows.ts'

const CATALOG = new URL('../../data/catalog.json', import.meta.url)
const PROVIDERS = new URL('../../data/providers.json', import.meta.url)

/** One model a line, so that a change of one price is a change of one line. */
export const printCatalog = ({ date, models }: CatalogFile): string =>
  `{"date":${JSON.stringify(date)},"models":[\n${listed(models)}\n]}\n`
/** One provider a line. */
export const printProviders = ({ providers }: CatalogFile): string => `[\n${listed(providers)}\n]\n`
const listed = (values: readonly object[]): string => values.map((one) => JSON.stringify(one)).join(',\n')

const summary = ({ date, providers, models }: CatalogFile, bytes: number): string => {
  const hosts = models.flatMap((one) => one.hosts)
  const flags = Map.groupBy(hosts, (one) => one.flag ?? 'confirmed')
  const counted = [...flags].map(([flag, those]) => `${those.length} ${flag}`).sort()
  return [
    `catalogue of ${date}: ${models.length} models (${models.filter((one) => one.kind === 'embedding').length} embeddings), ${hosts.length} hosts at ${providers.length} providers, ${Math.ceil(bytes / 1024)} KB`,
    `prices: ${counted.join(', ')}; ${hosts.filter((one) => one.later).length} hosts change on a known day`,
    `models with a confirmed price: ${models.filter((one) => one.hosts.some((host) => !host.flag)).length}; with scores: ${models.filter((one) => one.scores).length}`,
  ].join('\n')
}

const run = (): number => {
  const { values } = parseArgs({ options: { date: { type: 'string' }, check: { type: 'boolean' } } })
  const before = values.check ? readFileSync(CATALOG, 'utf8') : ''
  const day = values.date ?? /"date":"([^"]+)"/.exec(before)?.[1] ?? today()
  if (!isDay(day)) {
    console.error(`--date: ${day} is not a day such as 2026-09-01`)
    return 2
  }
  const file = buildCatalog(readRows(), day)
  const text = printCatalog(file)
  if (values.check) {
    if (text === before && printProviders(file) === readFileSync(PROVIDERS, 'utf8')) return 0
    console.error('data/catalog.json is behind its facts: npm run catalog')
    return 1
  }
  writeFileSync(CATALOG, text)
  writeFileSync(PROVIDERS, printProviders(file))
  console.log(summary(file, text.length))
  return 0
}

const isDay = (text: string): boolean =>
  /^\d{4}-\d\d-\d\d$/.test(text) && new Date(text).toJSON()?.slice(0, 10) === text
const today = (): string => new Date().toISOString().slice(0, 10)

if (import.meta.main) process.exitCode = run()

/**
 * The long forms of the fleet campaign. `npm run campaign -- fleet` runs all three, `-- storms`, `-- chaos` and `-- soak`
 * one of them; `SEED`, `SECONDS`, `RATE`, `STORM` (5: a thousand of each) and `FAULTS` (a list, `harmless` or `all`) say
 * how. What came out is added to fleet-results.md.
 */
import { appendFileSync, existsSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { audit } from '../fleet/audit.ts'
import { HARMLESS, printChaos, runChaos } from '../fleet/chaos.ts'
import { FAULTS, type FaultKind } from '../fleet/faults.ts'
import { openFleetSite, startBlocks } from '../fleet/site.ts'
import { printSoak, runSoak } from '../fleet/soak.ts'
import { isGapless, manyPayers, onePayer, onePayment, type Storm } from '../fleet/storms.ts'

export type Part = 'fleet' | 'storms' | 'chaos' | 'soak'

const RESULTS = fileURLToPath(new URL('fleet-results.md', import.meta.url))

const number = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise)

/** Runs one part, or all of them; returns how much is wrong. */
export const runFleet = async (part: Part): Promise<number> => {
  const seed = number('SEED', Date.now() % 2 ** 31)
  let bad = 0
  if (part === 'fleet' || part === 'storms') bad += await storms()
  if (part === 'fleet' || part === 'chaos') bad += await chaos(seed)
  if (part === 'fleet' || part === 'soak') bad += await soak()
  return bad
}

const chaos = async (seed: number): Promise<number> => {
  const [seconds, rate] = [number('SECONDS', 600), number('RATE', 20)]
  const result = await runChaos({ seed, seconds, rate, faults: wanted(), tell: console.log })
  for (const line of printChaos(result)) console.log(line)
  const { verdict, problems } = result
  note({
    part: 'chaos',
    setup: `seed ${seed}, ${seconds} s at ${rate} a second, ${result.faults.length} faults (${process.env['FAULTS'] ?? 'all'})`,
    counts: `${result.calls} calls, ${result.payments} payments, ${verdict.served} answered in full, ${verdict.transfers} transfers; unpaid at most ${verdict.unpaidMost} units, for ever ${verdict.unpaidEver}; served twice ${verdict.doubles}, forgotten ${verdict.forgotten}; ledger ${result.audit.violations.length} violations, chain ${result.audit.agrees ? 'agrees' : 'differs'}`,
    problems,
  })
  return problems.length
}

const wanted = (): readonly FaultKind[] => {
  const text = process.env['FAULTS'] ?? 'all'
  if (text === 'all') return FAULTS
  if (text === 'harmless') return HARMLESS
  const known: ReadonlySet<string> = new Set(FAULTS)
  return text.split(',').filter((one): one is FaultKind => known.has(one))
}

const storms = async (): Promise<number> => {
  const scale = number('STORM', 5)
  const problems: string[] = []
  const tell = (what: string, { verdict, answers, open, nonces }: Storm) => {
    const own = [...verdict.problems, ...open, ...(isGapless(nonces) ? [] : ['gaps in the nonces'])]
    console.log(`${own.length === 0 ? 'ok ' : 'BAD'} ${what}: ${JSON.stringify(answers)}`)
    for (const one of own) console.log(`      ${one}`)
    problems.push(...own.map((one) => `${what}: ${one}`))
    note({
      part: 'storm',
      setup: what,
      counts: `${verdict.served} answered, ${verdict.transfers} transfers, unpaid at most ${verdict.unpaidMost} units; ${JSON.stringify(answers).replaceAll('"', '')}`,
      problems: own,
    })
  }
  const site = await openFleetSite()
  try {
    tell('one payment, 1,000 times at once', await onePayment(site, 1000))
    tell(`${200 * scale} payers on one settler key`, await manyPayers(site, 200 * scale))
    tell(
      `${200 * scale} payments of one payer with money for ${20 * scale}`,
      await onePayer(site, 200 * scale, 20 * scale),
    )
    const { violations, agrees } = await audit(site)
    problems.push(...violations, ...(agrees ? [] : ['ledger and chain differ']))
  } finally {
    await site.close()
  }
  const narrow = await openFleetSite({ exposure: '0.0012' })
  try {
    await startBlocks(narrow, 1)
    narrow.upstream.pace(400)
    tell(`${100 * scale} calls against a limit for ten (1,200 units)`, await manyPayers(narrow, 100 * scale))
  } finally {
    await narrow.close()
  }
  return problems.length
}

const soak = async (): Promise<number> => {
  const [seconds, rate] = [number('SOAK_SECONDS', number('SECONDS', 600)), number('RATE', 20)]
  let bad = 0
  for (const instances of [1, 3]) {
    const site = await openFleetSite({ instances })
    try {
      const { problems, calls, p99, verdicts } = await runSoak({ site, seconds, rate, tell: console.log })
      note({
        part: 'soak',
        setup: `${instances === 1 ? 'one instance' : `${instances} instances`}, ${seconds} s at ${rate} a second`,
        counts: `${calls} calls; p99 by minute ${p99.map((ms) => `${Math.round(ms)} ms`).join(', ')}; ${verdicts.map(printSoak).join('; ')}`,
        problems,
      })
      bad += problems.length
    } finally {
      await site.close()
    }
  }
  return bad
}

type Row = { part: string; setup: string; counts: string; problems: readonly string[] }

const HEAD = `# Fleet campaign

Runs of \`npm run campaign -- fleet\`: three instances over one Redis, judged by the chain, the provider and the clients alone
(test/fleet/oracle.ts), and besides by the ledger itself. Units are micro-dollars.

| date | part | set-up | what came out | findings |
| --- | --- | --- | --- | --- |
`

const note = ({ part, setup, counts, problems }: Row): void => {
  if (!existsSync(RESULTS)) writeFileSync(RESULTS, HEAD)
  const cell = (text: string) => text.replaceAll('|', '/').replaceAll('\n', ' ')
  const found = problems.length === 0 ? 'none' : problems.slice(0, 5).map(cell).join('<br>')
  const date = new Date().toISOString().slice(0, 16).replace('T', ' ')
  appendFileSync(RESULTS, `| ${date} | ${part} | ${cell(setup)} | ${cell(counts)} | ${found} |\n`)
}

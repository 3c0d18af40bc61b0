/**
 * The long form: `SEED=… COUNT=… ROUNDS=… node test/fuzz/main.ts` sends COUNT inputs a round over one router; each round
 * has a seed and a router of its own. `SEED=… ONLY=index` repeats one input. `SECONDS=…` ends the run early.
 */
import { REFUSALS } from '../../src/errors.ts'
import { explained, runFuzz } from './run.ts'
import { openSite } from './site.ts'

const number = (name: string): number | undefined =>
  process.env[name] === undefined ? undefined : Number(process.env[name])

const seed = number('SEED') ?? Date.now() % 2 ** 31
const only = number('ONLY')
const count = only === undefined ? (number('COUNT') ?? 1_000_000) : 1
const rounds = number('ROUNDS') ?? 1
const parallel = number('PARALLEL') ?? 32
const seconds = number('SECONDS')
const until = seconds === undefined ? Number.POSITIVE_INFINITY : Date.now() + seconds * 1000

let bad = 0
for (let round = 0; round < rounds && Date.now() < until; round++) {
  const site = await openSite()
  console.log(`seed ${seed + round}: ${count} inputs${only === undefined ? '' : `, only ${only}`}`)
  try {
    const began = Date.now()
    const progress = (sent: number) => {
      if (sent % 10_000 !== 0) return
      const rate = Math.round(sent / ((Date.now() - began) / 1000))
      console.log(`  ${sent} sent, ${rate} a second, the router holds ${site.memory()} MB`)
    }
    const fuzzed = await runFuzz({
      target: site,
      seed: seed + round,
      count,
      from: only ?? 0,
      parallel,
      progress,
      until,
    })
    const problems = [...explained(fuzzed), ...(await site.leave())]
    for (const problem of problems) console.log(`BAD ${problem}`)
    bad += problems.length
    for (const [kind, { sent, statuses }] of Object.entries(fuzzed.kinds).toSorted(
      (a, b) => b[1].sent - a[1].sent,
    ))
      console.log(`  ${kind}: ${((100 * sent) / fuzzed.sent).toFixed(1)} % ${JSON.stringify(statuses)}`)
    console.log(`  told: ${JSON.stringify(fuzzed.codes)}`)
    console.log(
      `  never told: ${Object.keys(REFUSALS)
        .filter((code) => fuzzed.codes[code] === undefined)
        .join(' ')}`,
    )
    const rate = Math.round(fuzzed.sent / (fuzzed.ms / 1000))
    console.log(
      `  ${fuzzed.sent} inputs in ${Math.round(fuzzed.ms / 1000)} s, ${rate} a second, longest ping ${fuzzed.blockedMs} ms`,
    )
  } finally {
    await site.close()
  }
}
console.log(bad === 0 ? 'nothing found' : `${bad} problems`)
process.exit(bad === 0 ? 0 : 1)

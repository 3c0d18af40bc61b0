/**
 * `npm run campaign -- fleet` (or `storms`, `chaos`, `soak`: parts of it) and `-- fuzz` run other campaigns than this one.
 * The long form of the crash matrix: `ROUNDS` times the whole crash matrix, `KILLS` kills at random moments. Prints its seed; each random kill
 * has one of its own, and `SEED=<that> ROUNDS=0 KILLS=1 npm run campaign` repeats it.
 */
import { crashAnywhere, crashAt, type Outcome, seeded } from './crash.ts'
import { ABSENT, deathsOf, POINTS, type Work } from './points.ts'
import { openGround } from './site.ts'

const part = process.argv[2]
if (part === 'fuzz') {
  // Runs and ends the process.
  await import('../fuzz/main.ts')
} else if (part === 'fleet' || part === 'storms' || part === 'chaos' || part === 'soak') {
  const { runFleet } = await import('./fleet.ts')
  const bad = await runFleet(part)
  console.log(bad === 0 ? 'nothing lost' : `${bad} problems`)
  process.exit(bad === 0 ? 0 : 1)
} else if (part !== undefined && part !== 'crash') {
  console.error(`there is no campaign "${part}": crash, fleet, storms, chaos, soak or fuzz`)
  process.exit(2)
}

const LANES = 3
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
const rounds = Number(process.env['ROUNDS'] ?? 2)
const kills = Number(process.env['KILLS'] ?? 25)

console.log(`crash campaign: seed ${seed}, ${rounds} rounds of the matrix, ${kills} random kills`)
for (const [point, why] of Object.entries(ABSENT)) console.log(`--  ${point}: ${why}`)

const began = Date.now()
const ground = await openGround()
const jobs: (() => Promise<Outcome>)[] = []
for (let round = 0; round < rounds; round++)
  for (const [i, work] of (Object.keys(POINTS) as Work[]).entries())
    jobs.push(() => crashAt(ground, work, deathsOf(work, round + i)))
for (let i = 0; i < kills; i++)
  jobs.push(async () => {
    const outcome = await crashAnywhere(ground, seeded(seed + i), 8)
    return { ...outcome, name: `seed ${seed + i}: ${outcome.name}` }
  })

let calls = 0
let deaths = 0
let bad = 0
const tell = ({ name, problems, ...one }: Outcome) => {
  calls += one.calls
  deaths += one.deaths
  bad += problems.length
  console.log(
    `${problems.length === 0 ? 'ok ' : 'BAD'} ${name}: ${one.calls} payments, provider asked ${one.served} times`,
  )
  for (const problem of problems) console.log(`      ${problem}`)
}
const lane = async (): Promise<void> => {
  for (let job = jobs.shift(); job; job = jobs.shift()) tell(await job())
}
try {
  await Promise.all(Array.from({ length: LANES }, lane))
} finally {
  await ground.stop()
}
const took = Math.round((Date.now() - began) / 1000)
console.log(
  `${deaths} deaths, ${calls} payments, ${took} s: ${bad === 0 ? 'nothing lost' : `${bad} problems`}`,
)
// Said outright: what a failed case left open must not keep it alive.
process.exit(bad === 0 ? 0 : 1)

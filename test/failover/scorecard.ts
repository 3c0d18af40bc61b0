/**
 * The scorecard of the sixteen faults, payment on: `node test/failover/scorecard.ts [--full] [S01 S08 …]`. A tenth of the
 * times of the bench, or with --full all of them (about four minutes). It starts a chain and three hosts on this machine,
 * and writes nothing.
 */
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { startWorld } from '../support/world.ts'
import { startBench } from './router.ts'
import { play, type Result, SCENES } from './scenes.ts'

const args = process.argv.slice(2)
const scale = args.includes('--full') ? 1 : 0.1
const wanted = args.filter((one) => one.startsWith('S'))

const world = await startWorld()
const bench = await startBench(world, scale)
const results: Result[] = []
for (const scene of SCENES.filter(({ id }) => wanted.length === 0 || wanted.includes(id))) {
  const played: Result[] = []
  for (const mode of scene.modes) played.push(await play(bench, scene, mode, scale))
  results.push(...played)
  const verdicts = played.map(({ mode, verdict }) => `${mode} ${verdict}`).join(', ')
  const notes = played.map((one) => one.notes.join('; ')).join(' | ')
  console.log(`${scene.id}  ${scene.title.padEnd(36)} ${verdicts.padEnd(20)} ${notes}`)
}
await bench.settle()
const problems = await checkInvariants(bench.farebox.deps.ledger, { now: Date.now() })
const streams = results.filter(({ mode }) => mode === 'SSE')
const count = (verdict: string) => streams.filter((one) => one.verdict === verdict).length
console.log(
  `streams: ${count('pass')} pass, ${count('partial')} partial, ${count('safe')} safe, ${count('fail')} fail; ledger: ${problems.length === 0 ? 'in order' : problems.join('; ')}`,
)
await bench.close()
await world.close()
process.exitCode = results.some(({ verdict }) => verdict === 'fail') || problems.length > 0 ? 1 : 0

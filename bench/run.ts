/**
 * bench/: Farebox beside its peers, in one run, as ratios. `npm run bench`, or `node bench/run.ts [--write] [--rounds 2]`;
 * `--write` puts the numbers into bench/README.md. Raw results always go to bench/results/latest.json. `--store URL` and
 * `--instances N` measure Farebox on another store, or several instances that share it.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createBook } from './book.ts'
import { describeMachine } from './machine.ts'
import { gasRows, settleBacklog } from './money.ts'
import { peerVersions } from './peers.ts'
import { stepAside } from './process.ts'
import { type Report, splice, toMarkdown } from './report.ts'
import { type Cast, type Shape, startCast, stopCast, warmUp } from './rounds/cast.ts'
import { PAID, paidRound, reconcileAll, reconcileX402, type Tail, WAYS, x402Round } from './rounds/paid.ts'
import { slowRound } from './rounds/slow.ts'
import { steadyRound } from './rounds/steady.ts'
import { storms } from './rounds/storm.ts'
import { streamRound } from './rounds/stream.ts'
import { unpaidRound } from './rounds/unpaid.ts'
import { path, startWorld } from './world.ts'

const bench = async (rounds: number, shape: Shape, say: (line: string) => void): Promise<Report> => {
  const began = performance.now()
  stepAside()
  const world = await startWorld()
  try {
    const machine = await describeMachine(world.dir)
    const cast = await startCast(world, shape)
    const found = await measure(cast, rounds, say).finally(() => stopCast(cast))
    say('settling a backlog')
    const settlements = (['exact', 'upto'] as const).map(settleBacklog).filter((one) => one !== undefined)
    const versions = cast.portkey ? peerVersions() : {}
    return {
      at: new Date().toISOString(),
      seconds: (performance.now() - began) / 1000,
      machine,
      shape: { store: shape.store.split(':')[0]!, instances: shape.instances },
      versions,
      ...found,
      settlements,
      gas: gasRows(),
    }
  } finally {
    await world.close()
  }
}

const measure = async (cast: Cast, rounds: number, say: (line: string) => void) => {
  const book = createBook(say)
  const tails: Tail[] = []
  say('warming up')
  await warmUp(cast)
  await x402Round(
    cast,
    createBook(() => {}),
    4,
  )
  for (let round = 0; round < rounds; round++) {
    for (const c of [1, 16, 64] as const) await unpaidRound(cast, book, c)
    for (const c of [1, 4, 16]) await x402Round(cast, book, c)
    for (const c of [1, 16]) await x402Round(cast, book, c, 'json', 50, 'upto')
    for (const c of [1, 16, 64]) {
      const calls = c === 1 ? 200 : 2_000
      for (const way of WAYS) tails.push(await paidRound(cast, book, { c, calls, way }))
    }
    for (const c of [1, 16] as const) await streamRound(cast, book, 'sse paced', c)
    await streamRound(cast, book, 'sse', 16)
    await steadyRound(cast, book)
  }
  const strangers = await cast.world.payers(500)
  tails.push(
    await paidRound(cast, book, {
      c: 16,
      calls: 500,
      who: 'Farebox paid, first call of each payer',
      payers: strangers,
    }),
  )
  await cast.world.withBlocks(1, async () => {
    const load = 'json, 1 s blocks'
    await x402Round(cast, book, 16, load, 48)
    tails.push(await paidRound(cast, book, { c: 16, calls: 2_000, load }))
  })
  await slowRound(cast, book)
  const stormed = await storms(cast)
  return {
    rows: book.rows(),
    tails: tails.filter((tail) => tail.c > 1 && tail.who !== PAID.voucher),
    storms: stormed,
    reconciled: await reconcileAll(cast),
    x402: await reconcileX402(cast),
  }
}

const { values } = parseArgs({
  options: {
    write: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '2' },
    store: { type: 'string', default: 'sqlite' },
    instances: { type: 'string', default: '1' },
  },
})
const began = performance.now()
const shape = { store: values.store, instances: Number(values.instances) }
const report = await bench(Number(values.rounds), shape, (line) =>
  console.error(`${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s  ${line}`),
)
mkdirSync(path('results'), { recursive: true })
writeFileSync(path('results/latest.json'), `${JSON.stringify(report, null, 2)}\n`)
const markdown = toMarkdown(report)
if (values.write) splice(path('README.md'), markdown)
console.log(markdown)

/**
 * What one call costs Farebox, in µs of CPU: `node bench/cpu.ts [--calls 2000] [--rounds 3] [--only voucher,exact] [--c 32] [--store URL] [--json]`.
 * CPU is read from the system for each thread of the server, so that other work on the machine moves it little.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { JSON_HEADERS, requestBody } from './farebox.ts'
import { stepAside } from './process.ts'
import { type Cast, CHAT, fareboxCast, settled, stopCast } from './rounds/cast.ts'
import { asked, KINDS, type Kind, requestsOf } from './rounds/kinds.ts'
import { median } from './stats.ts'
import { startWorld } from './world.ts'

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '2000' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
    c: { type: 'string', default: '32' },
    store: { type: 'string', default: 'sqlite' },
    json: { type: 'boolean', default: false },
  },
})

/** µs a call: of the whole process, of its main thread, and of the next busiest. */
type Cost = { all: number; main: number; next: number; perSecond: number }

const measure = async (cast: Cast, kind: Kind, stream: boolean, calls: number): Promise<Cost> => {
  const { world, farebox } = cast
  const body = requestBody('bench/small', stream ? { stream: true } : {})
  const job = { url: `${farebox.url}${CHAT}`, body, headers: JSON_HEADERS, concurrency: Number(values.c) }
  const each = await requestsOf(cast, kind, { ...job, calls })
  await settled(farebox)
  const [before, threads] = [await farebox.cpuMs(), threadsOf(farebox.pid)]
  const shots = await world.fire({ ...job, each }, asked(kind))
  const used = (await farebox.cpuMs()) - before
  const after = threadsOf(farebox.pid)
  const others = [...after]
    .filter(([id]) => id !== String(farebox.pid))
    .map(([id, ticks]) => ticks - (threads.get(id) ?? 0))
  const us = (ms: number) => (ms * 1000) / calls
  const main = after.get(String(farebox.pid))! - threads.get(String(farebox.pid))!
  return {
    all: us(used),
    main: us(main),
    next: us(Math.max(...others)),
    perSecond: (calls / shots.ms) * 1000,
  }
}

/** CPU of each thread since it began, ms; the system counts in steps of 10 ms or finer. */
const threadsOf = (pid: number): Map<string, number> =>
  new Map(
    readdirSync(`/proc/${pid}/task`).map((id) => {
      const ns = Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, 'utf8').split(' ')[0])
      return [id, ns / 1e6]
    }),
  )

const kinds = values.only === undefined ? KINDS : KINDS.filter((one) => values.only!.split(',').includes(one))
stepAside()
const world = await startWorld()
try {
  const cast = await fareboxCast(world, values.store)
  const found = new Map<string, Cost[]>()
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const stream of values.json ? [false] : [false, true]) {
      for (const kind of kinds) {
        if (stream && kind === '402') continue
        const calls = stream ? Math.ceil(Number(values.calls) / 4) : Number(values.calls)
        const name = `${kind}${stream ? ', sse' : ''}`
        found.set(name, [...(found.get(name) ?? []), await measure(cast, kind, stream, calls)])
      }
    }
  }
  console.log(
    'µs of CPU a call'.padEnd(20),
    'all'.padStart(7),
    'main'.padStart(7),
    'ledger'.padStart(7),
    'calls/s'.padStart(9),
  )
  for (const [name, costs] of found) {
    const of = (pick: (cost: Cost) => number) => median(costs.map(pick)).toFixed(0)
    console.log(
      name.padEnd(20),
      of((one) => one.all).padStart(7),
      of((one) => one.main).padStart(7),
      of((one) => one.next).padStart(7),
      of((one) => one.perSecond).padStart(9),
    )
  }
  await stopCast(cast)
} finally {
  await world.close()
}

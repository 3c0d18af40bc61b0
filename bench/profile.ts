/**
 * Where Farebox's CPU goes: `node bench/profile.ts [calls] [--scheme 402|credit|exact|permit2|upto|voucher] [--stream]`.
 * Prints, for each of its two threads, the time by place; the profiles themselves go to bench/results/*.cpuprofile, for
 * Chrome's DevTools.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { JSON_HEADERS, requestBody } from './farebox.ts'
import { cores, stepAside } from './process.ts'
import { CHAT, fareboxCast, settled, stopCast } from './rounds/cast.ts'
import { asked, KINDS, type Kind, requestsOf } from './rounds/kinds.ts'
import { path, startWorld } from './world.ts'

type Frame = { functionName: string; url: string; lineNumber: number }
type Node = { id: number; callFrame: Frame; children?: number[] }
type Profile = { nodes: Node[]; startTime: number; samples: number[]; timeDeltas: number[] }
/** Microseconds of the monotonic clock, which profiles are stamped with. */
type Window = { from: number; to: number }

const ROWS = 60
const { values, positionals } = parseArgs({
  options: { stream: { type: 'boolean', default: false }, scheme: { type: 'string', default: 'exact' } },
  allowPositionals: true,
})
const { stream } = values
const kind = values.scheme as Kind
if (!KINDS.includes(kind)) throw new Error(`--scheme is one of ${KINDS.join(', ')}`)
const results = path('results')

const record = async (calls: number): Promise<Window> => {
  stepAside()
  const world = await startWorld()
  try {
    const execArgv = ['--cpu-prof', '--cpu-prof-interval=250', `--cpu-prof-dir=${results}`]
    const cast = await fareboxCast(world, 'sqlite', { execArgv })
    const { farebox } = cast
    separateThreads(farebox.pid)
    const body = requestBody('bench/small', stream ? { stream: true } : {})
    const job = { url: `${farebox.url}${CHAT}`, body, headers: JSON_HEADERS, concurrency: 16 }
    await world.fire({ ...job, each: await requestsOf(cast, kind, { ...job, calls: 1_000 }) }, asked(kind))
    await settled(farebox)
    const each = await requestsOf(cast, kind, { ...job, calls })
    const from = now()
    await world.fire({ ...job, each }, asked(kind))
    await settled(farebox)
    const to = now()
    await stopCast(cast)
    return { from, to }
  } finally {
    await world.close()
  }
}

const now = (): number => Number(process.hrtime.bigint() / 1000n)

// Samples are taken by the wall clock: a thread that waits for another on the same core would seem busy.
const separateThreads = (pid: number): void => {
  if (!cores) return
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    if (thread !== String(pid)) spawnSync('taskset', ['-p', '-c', cores.beside, thread])
  }
}

/** Self time by place, µs a call: the nearest function of ours, else the package or the part of Node. */
const byPlace = (profile: Profile, { from, to }: Window, calls: number): [string, number][] => {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const parents = new Map(
    profile.nodes.flatMap((node) => (node.children ?? []).map((id) => [id, node.id] as const)),
  )
  const spent = new Map<string, number>()
  let at = profile.startTime
  for (const [i, id] of profile.samples.entries()) {
    const delta = profile.timeDeltas[i]!
    at += delta
    if (at < from || at > to) continue
    const place = placeOf(ancestry(id, nodes, parents))
    spent.set(place, (spent.get(place) ?? 0) + delta / calls)
  }
  return [...spent].toSorted((a, b) => b[1] - a[1])
}

const ancestry = (id: number, nodes: Map<number, Node>, parents: Map<number, number>): Frame[] => {
  const frames: Frame[] = []
  for (let at: number | undefined = id; at !== undefined; at = parents.get(at))
    frames.push(nodes.get(at)!.callFrame)
  return frames
}

const placeOf = (frames: readonly Frame[]): string => {
  const leaf = frames[0]!
  if (leaf.functionName.startsWith('(')) return leaf.functionName
  const ours = frames.find(({ url }) => url.includes('/src/') && !url.includes('/node_modules/'))
  if (ours) return `src/${ours.url.split('/src/').at(-1)} ${ours.functionName || '(anonymous)'}`
  const packaged = frames.map(({ url }) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]).find(Boolean)
  if (packaged) return `package ${packaged}`
  return frames.find(({ url }) => url.startsWith('node:'))?.url ?? 'node'
}

const calls = Number(positionals[0] ?? 4_000)
mkdirSync(results, { recursive: true })
for (const file of readdirSync(results)) if (file.endsWith('.cpuprofile')) rmSync(join(results, file))
const window = await record(calls)
for (const file of readdirSync(results).filter((one) => one.endsWith('.cpuprofile'))) {
  const rows = byPlace(JSON.parse(readFileSync(join(results, file), 'utf8')) as Profile, window, calls)
  const busy = rows.filter(([place]) => place !== '(idle)').reduce((sum, [, us]) => sum + us, 0)
  const thread = rows.some(([place]) => place.includes('sqlite-books')) ? 'ledger thread' : 'main thread'
  console.log(`\n${thread}: ${busy.toFixed(0)} µs a call by the wall clock (waiting for the disk counts)`)
  for (const [place, us] of rows.slice(0, ROWS)) console.log(`${us.toFixed(1).padStart(8)}  ${place}`)
}

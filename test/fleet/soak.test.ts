import { type ChildProcess, spawn } from 'node:child_process'
import { afterEach, expect, test } from 'vitest'
import { openFleetSite } from './site.ts'
import { judgeSoak, percentile, runSoak, slopeOf, watchProcesses } from './soak.ts'

const started: ChildProcess[] = []
afterEach(() => {
  for (const one of started.splice(0)) one.kill('SIGKILL')
})

/** A process that does something again and again. */
const busy = (work: string) => {
  const child = spawn(process.execPath, ['-e', `const kept = []; setInterval(() => { ${work} }, 20)`])
  started.push(child)
  return child.pid!
}

const soaked = async (pid: number, seconds = 4) => {
  const watching = watchProcesses([{ name: 'it', pid }], 100)
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  const samples = await watching.stop()
  return judgeSoak('it', samples.get('it')!)
}

test('a leak of memory and one of descriptors are seen, and a process that stays as it is passes', async () => {
  const leak = busy('kept.push(Buffer.alloc(1 << 20, 1))')
  const open = busy("kept.push(require('fs').openSync('/dev/null'))")
  const calm = busy('Buffer.alloc(1 << 10, 1)')
  const [memory, descriptors, well] = await Promise.all([soaked(leak), soaked(open), soaked(calm)])
  expect(memory.problems.join()).toContain('memory grew by')
  expect(memory.descriptors.to - memory.descriptors.from).toBeLessThan(5)
  expect(descriptors.problems.join()).toContain('more descriptors')
  expect(well.problems).toEqual([])
})

test('a line is fitted through what was measured', () => {
  const slope = slopeOf([0, 1, 2, 3].map((i) => [i * 60_000, 100 + 10 * i] as const))
  expect(slope).toMatchObject({ from: 100, to: 130, perMinute: 10 })
  expect(slopeOf([[0, 5]])).toMatchObject({ from: 5, to: 5, perMinute: 0 })
  expect(percentile([3, 1, 2], 0.99)).toBe(3)
})

test('a fleet that serves for some seconds does not grow', async () => {
  const site = await openFleetSite({ instances: 2 })
  try {
    const { problems, calls, verdicts } = await runSoak({ site, seconds: 8, rate: 15 })
    expect(problems).toEqual([])
    expect(calls).toBe(120)
    expect(verdicts.map(({ name }) => name)).toEqual(['instance 0', 'instance 1'])
    expect(verdicts.every(({ heap }) => heap !== undefined)).toBe(true)
  } finally {
    await site.close()
  }
}, 120_000)

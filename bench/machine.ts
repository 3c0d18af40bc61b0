import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { cpus, loadavg, platform, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { curve } from '../src/chain/signatures.ts'
import { coreCount, cores } from './process.ts'
import { median } from './stats.ts'

/** What the numbers were measured on, with two yardsticks to compare machines by. */
export type Machine = {
  cpu: string
  cores: number
  memoryGb: number
  os: string
  node: string
  pinned: string
  /** One-minute load average before the first measurement: anything much above 0 is company. */
  loadBefore: number
  /** 4 KB written and synced, µs. */
  fsyncUs: number
  /** One signature recovery, µs. */
  recoverUs: number
}

/** Describes this machine; writes a scratch file into `dir`. */
export const describeMachine = async (dir: string): Promise<Machine> => ({
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: coreCount,
  memoryGb: Math.round(totalmem() / 2 ** 30),
  os: `${platform()} ${release().split('-')[0]}`,
  node: process.version,
  pinned: cores ? `server under test on core ${cores.measured}, all else on ${cores.beside}` : 'not pinned',
  loadBefore: Math.round(loadavg()[0]! * 100) / 100,
  fsyncUs: Math.round(timeSyncs(join(dir, 'fsync'))),
  recoverUs: Math.round(await timeRecovery()),
})

const timeSyncs = (file: string): number => {
  const fd = openSync(file, 'w')
  const block = Buffer.alloc(4096)
  const times = Array.from({ length: 50 }, () => {
    const began = performance.now()
    writeSync(fd, block)
    fsyncSync(fd)
    return (performance.now() - began) * 1000
  })
  closeSync(fd)
  return median(times)
}

const timeRecovery = async (): Promise<number> => {
  const digest = Buffer.alloc(32, 7)
  const { rs, parity } = await curve.sign(digest, Buffer.alloc(32, 1))
  const signature = `0x${Buffer.from(rs).toString('hex')}${parity === 1 ? '1c' : '1b'}` as const
  const times: number[] = []
  for (let i = 0; i < 500; i++) {
    const began = performance.now()
    await curve.recover(digest, signature)
    times.push((performance.now() - began) * 1000)
  }
  return median(times)
}

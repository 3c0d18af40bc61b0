import { connect, type Socket } from 'node:net'
import { type Answer, headerOf, readAnswer } from './answer.ts'
import type { Input } from './wire.ts'

/** What came back for an input. `problem`: what is wrong with it as HTTP, or that it did not come. */
export type Exchange = { answers: Answer[]; ms: number; problem?: string }

/** One connection after the other; inputs that HTTP has nothing against share one. */
export type Lane = { exchange: (input: Input) => Promise<Exchange>; close: () => void }

type Line = { socket: Socket; bytes: Buffer; ended: boolean; failed?: string; woken: () => void }

/** Longest wait for an answer. */
const PATIENCE_MS = 15_000
/** An unfinished message is ended after this long without an answer. */
const UNFINISHED_MS = 120
/** A server that was told the end of a message has this long to close. */
const CLOSE_MS = 5_000

/** A lane to a router; `url` is http on loopback. `starved`: for how long it has waited for a processor so far, ms: that is no fault of its own. */
export const openLane = (url: string, starved: () => number = () => 0): Lane => {
  const { hostname, port } = new URL(url)
  let kept: Line | undefined

  const dial = (): Line => {
    const socket = connect({ port: Number(port), host: hostname, noDelay: true, allowHalfOpen: true })
    const line: Line = { socket, bytes: Buffer.alloc(0), ended: false, woken: () => {} }
    socket.on('data', (part) => {
      line.bytes = line.bytes.length === 0 ? part : Buffer.concat([line.bytes, part])
      line.woken()
    })
    const over = (why?: string) => {
      line.ended = true
      if (why !== undefined) line.failed ??= why
      line.woken()
    }
    socket.on('end', () => over())
    socket.on('close', () => over())
    socket.on('error', (error) => over((error as NodeJS.ErrnoException).code ?? error.message))
    return line
  }

  const woken = (line: Line, ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      line.woken = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  const hear = async (line: Line, input: Input): Promise<{ answers: Answer[]; problem?: string }> => {
    const answers: Answer[] = []
    let since = performance.now() - starved()
    let finished = false
    let late = false
    while (true) {
      const method = input.asks[answers.length]?.method ?? 'GET'
      const read = readAnswer(line.bytes, method, line.ended)
      if (read !== 'more' && 'problem' in read) {
        // Whoever ended its half in the middle may be cut off in the middle.
        return finished || input.ending !== 'whole' ? { answers } : { answers, problem: read.problem }
      }
      if (read !== 'more') {
        line.bytes = line.bytes.subarray(read.used)
        if (read.answer.status === 101) return { answers, problem: 'it switches protocols' }
        if (read.answer.status < 200) continue
        answers.push(read.answer)
        const last = headerOf(read.answer, 'connection')?.toLowerCase() === 'close'
        if (answers.length === input.asks.length || last) return { answers }
        continue
      }
      if (line.ended) return gone(line, input, answers)
      const limit = finished ? CLOSE_MS : input.ending === 'unfinished' ? UNFINISHED_MS : PATIENCE_MS
      const left = limit - (performance.now() - starved() - since)
      if (left > 0) {
        late = false
        await woken(line, left + 1)
        continue
      }
      // What has come meanwhile is looked at before it is said to be late.
      if (!late) {
        late = true
        await woken(line, 20)
        continue
      }
      if (input.ending === 'whole') return { answers, problem: `no answer within ${PATIENCE_MS} ms` }
      if (finished) return { answers, problem: 'the connection stays open after its end' }
      finished = true
      late = false
      since = performance.now() - starved()
      line.socket.end()
    }
  }

  const say = async (line: Line, { writes }: Input): Promise<void> => {
    for (const [i, bytes] of writes.entries()) {
      if (i > 0) await new Promise((resolve) => setImmediate(resolve))
      if (!line.socket.destroyed) line.socket.write(bytes)
    }
  }

  const leave = async (line: Line): Promise<void> => {
    await new Promise((resolve) => line.socket.once('connect', resolve).once('error', resolve))
    await new Promise((resolve) => setTimeout(resolve, 1))
    line.socket.destroy()
  }

  return {
    exchange: async (input) => {
      const began = performance.now()
      const usable = kept !== undefined && !kept.ended && input.ending === 'whole'
      const line = usable ? kept! : dial()
      if (usable && line.bytes.length > 0)
        return { answers: [], ms: 0, problem: 'there are bytes that nobody asked for' }
      await say(line, input)
      if (input.ending === 'leaves') {
        await leave(line)
        return { answers: [], ms: performance.now() - began }
      }
      const heard = await hear(line, input)
      const ms = performance.now() - began
      const surplus = input.ending === 'whole' && line.bytes.length > 0 && heard.problem === undefined
      const again =
        input.ending === 'whole' &&
        heard.problem === undefined &&
        heard.answers.length === input.asks.length &&
        heard.answers.every((answer) => headerOf(answer, 'connection')?.toLowerCase() !== 'close')
      if (again) kept = line
      else {
        if (kept === line) kept = undefined
        line.socket.destroy()
      }
      return { ...heard, ms, ...(surplus && { problem: 'more bytes came than were asked for' }) }
    },
    close: () => kept?.socket.destroy(),
  }
}

const gone = (line: Line, input: Input, answers: Answer[]): { answers: Answer[]; problem?: string } =>
  input.ending === 'whole' || line.failed === 'ECONNREFUSED'
    ? {
        answers,
        problem: `the connection ended (${line.failed ?? 'closed'}) after ${answers.length} answers`,
      }
    : { answers }

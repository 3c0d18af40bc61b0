import { REFUSALS, type Refused } from '../../src/errors.ts'
import { type Answer, headerOf } from './answer.ts'
import type { Exchange } from './lane.ts'
import { type Ask, CHAT, type Input } from './wire.ts'

/** Texts that no answer may hold: keys, secrets, places of the machine, addresses of what is behind us. */
export type Secrets = readonly string[]

/** What HTTP itself says before we see a request; only to who broke HTTP. */
const BARE = new Set([400, 404, 408, 413, 414, 417, 431, 501, 505])

const STACK =
  /\n\s+at |node:internal|node_modules|\.ts:\d+|\.js:\d+:\d+|\bENOENT\b|\bECONNREFUSED\b|SQLITE_|\[object Object\]/

/** What is wrong with the answers to an input; nothing for an input that was dealt with as it should. Pure. */
export const judge = (input: Input, { answers, problem }: Exchange, secrets: Secrets): string[] => {
  const problems = problem === undefined ? [] : [problem]
  for (const [i, answer] of answers.entries())
    problems.push(...judgeAnswer(input, answer, input.asks[i] ?? { method: 'GET', target: '/' }, secrets))
  return problems
}

const judgeAnswer = (input: Input, answer: Answer, ask: Ask, secrets: Secrets): string[] => {
  const { status, body } = answer
  const problems: string[] = []
  const say = (text: string) => void problems.push(`${status}: ${text}`)
  if (status === 500) say('a bug')
  if (isPaidDoor(ask) && (status === 200 || status === 202))
    say('served or taken without a payment that is good')
  if (headerOf(answer, 'payment-response') !== undefined) say('a receipt for nothing')
  const text = body.toString('utf8')
  if (!Buffer.from(text, 'utf8').equals(body)) say('the body is not UTF-8')
  const all = `${answer.headers.map(([name, value]) => `${name}: ${value}`).join('\n')}\n\n${text}`
  for (const secret of secrets) if (all.includes(secret)) say(`it tells ${secret.slice(0, 12)}…`)
  const stack = STACK.exec(all)?.[0]
  if (stack !== undefined) say(`it tells of its own code: ${JSON.stringify(stack)}`)
  if (ask.method === 'HEAD' || status === 204 || status === 304) return problems
  if (body.length === 0) {
    if (!(input.bare && BARE.has(status))) say('there is no body')
    return problems
  }
  const type = headerOf(answer, 'content-type')
  if (type === undefined) say('there is no content type')
  else if (/json/.test(type)) problems.push(...judgeJson(text, answer, ask))
  else if (status >= 400) say(`a refusal as ${type}`)
  else if (/event-stream/.test(type)) say('a stream for nothing')
  return problems
}

const isPaidDoor = ({ method, target }: Ask): boolean =>
  ['GET', 'HEAD', 'POST'].includes(method) && target.split('?')[0] === CHAT

const judgeJson = (text: string, { status, ...rest }: Answer, { target }: Ask): string[] => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return [`${status}: the body is no JSON`]
  }
  const { error, object, success, isValid, amount } = (value ?? {}) as Record<string, unknown>
  if (object === 'chat.completion') return [`${status}: an answer for nothing`]
  // What moves nothing is settled as the scheme says.
  if ((success === true && amount !== '0') || isValid === true)
    return [`${status}: a payment without money is said to be good`]
  const isReady = target.split('?')[0]?.endsWith('/readyz') && status === 503
  if (status < 400 && status !== 202) return []
  return isReady ? [] : judgeEnvelope(status, error, headerOf({ headers: rest.headers }, 'x-should-retry'))
}

const judgeEnvelope = (status: number, error: unknown, retry: string | undefined): string[] => {
  const { code, hint, message, docs, type } = (error ?? {}) as Record<string, unknown>
  const row = typeof code === 'string' ? (REFUSALS as Record<string, Refused>)[code] : undefined
  if (!row) return [`${status}: the code is ${JSON.stringify(code)}`]
  const problems: string[] = []
  if (row.status !== status) problems.push(`${status}: ${String(code)} has status ${row.status}`)
  for (const [name, text] of Object.entries({ hint, message, docs, type }))
    if (typeof text !== 'string' || text === '') problems.push(`${status}: ${String(code)} has no ${name}`)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for.
  if (/[\u0000-\u001f\u007f-\uffff]/.test(`${String(message)}${String(hint)}`))
    problems.push(`${status}: ${String(code)} has unprintable words`)
  if (retry === undefined) problems.push(`${status}: ${String(code)} does not say whether to retry`)
  return problems
}

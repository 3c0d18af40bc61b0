import type { IncomingMessage } from 'node:http'
import type { Context } from 'hono'
import type { z } from 'zod'
import { fail, Refusal } from '../errors.ts'
import { FIRST_MISTAKE } from '../wire/doors.ts'
import { parseJson } from '../wire/json.ts'
import { type Env, headerOf } from './send.ts'

/** Reads a JSON body of at most `limit` bytes and parses it by a schema; refuses everything else with the parameter at fault. `heard`: all of it is there. */
export const readBody = async <T>(
  c: Context<Env>,
  schema: { safeParse: (body: unknown, how: object) => z.ZodSafeParseResult<T> },
  limit: number,
  heard?: () => void,
): Promise<T> => {
  checkType(headerOf(c, 'content-type'), headerOf(c, 'content-encoding'))
  const length = Number(headerOf(c, 'content-length') ?? 0)
  if (length > limit) throw fail('body_too_large', { limit })
  const text = await readText(c, limit)
  heard?.()
  const parsed = schema.safeParse(parseJson(text), FIRST_MISTAKE)
  if (parsed.success) return parsed.data
  throw issueOf(parsed.error)
}

const checkType = (type: string | undefined, encoding: string | undefined): void => {
  const json = type === undefined || /^application\/(?:[\w.+-]+\+)?json\s*(;|$)/i.test(type)
  if (!json || (encoding !== undefined && encoding !== 'identity')) throw fail('media_type_unsupported')
}

/** The body as text, of at most `limit` bytes. */
export const readText = async (c: Context<Env>, limit: number): Promise<string> => {
  const { incoming } = c.env ?? {}
  const bytes = incoming ? await readIncoming(incoming, limit) : await readWeb(c.req.raw.body, limit)
  try {
    return decoder.decode(bytes)
  } catch {
    throw fail('invalid_json')
  }
}

/** By Node's events, which cost a fraction of its iterator. Not destroyed when refused: it still gets its answer. */
const readIncoming = (incoming: IncomingMessage, limit: number): Promise<Uint8Array> =>
  new Promise((resolve, reject) => {
    const parts: Uint8Array[] = []
    let size = 0
    const end = () => {
      incoming.off('data', data).off('end', whole).off('error', broken).off('close', broken)
    }
    const data = (part: Uint8Array) => {
      size += part.length
      parts.push(part)
      if (size <= limit) return
      end()
      incoming.pause()
      reject(fail('body_too_large', { limit }))
    }
    const whole = () => {
      end()
      resolve(parts.length === 1 ? parts[0]! : Buffer.concat(parts))
    }
    // Whoever sent it has left, or took too long: no mistake of ours.
    const broken = () => {
      end()
      incoming.on('error', () => {})
      reject(fail('invalid_json'))
    }
    if (incoming.destroyed && !incoming.readable) return broken()
    incoming.on('data', data).on('end', whole).on('error', broken).on('close', broken)
  })

const readWeb = async (body: unknown, limit: number): Promise<Uint8Array> => {
  const parts: Uint8Array[] = []
  let size = 0
  try {
    for await (const part of (body ?? []) as AsyncIterable<Uint8Array>) {
      size += part.length
      if (size > limit) throw fail('body_too_large', { limit })
      parts.push(part)
    }
  } catch (error) {
    throw error instanceof Refusal ? error : fail('invalid_json')
  }
  return Buffer.concat(parts)
}

const decoder = new TextDecoder('utf-8', { fatal: true })

/** The first problem, in words, with the path to the parameter. */
const issueOf = (error: z.ZodError): Refusal => {
  const issue = deepest(error.issues[0]!)
  const param = issue.path.map(String).join('.')
  if (issue.code === 'unrecognized_keys') {
    const field = [...issue.path.map(String), issue.keys[0]].join('.')
    return fail('unknown_field', { field, param: field })
  }
  return fail('invalid_request', {
    problem: `${param || 'body'}: ${issue.message}`,
    param: param || undefined,
  })
}

// A union says only "invalid input"; the branch with the longest way in says what is wrong.
const deepest = (issue: z.core.$ZodIssue, path: PropertyKey[] = []): z.core.$ZodIssue => {
  const here = { ...issue, path: [...path, ...issue.path] }
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return here
  const inner = issue.errors
    .map((branch) => branch[0])
    .filter((one) => one !== undefined)
    .map((one) => deepest(one, here.path))
    .toSorted((a, b) => b.path.length - a.path.length)
  return inner[0] && inner[0].path.length > here.path.length
    ? inner[0]
    : inner[0]?.code === 'unrecognized_keys'
      ? inner[0]
      : here
}

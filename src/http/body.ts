import type { Context } from 'hono'
import type { z } from 'zod'
import { fail, type Refusal } from '../errors.ts'
import { parseJson } from '../wire/json.ts'
import type { Env } from './send.ts'

/** Reads a JSON body of at most `limit` bytes and parses it by a schema; refuses everything else with the parameter at fault. */
export const readBody = async <T>(c: Context<Env>, schema: z.ZodType<T>, limit: number): Promise<T> => {
  checkType(c.req.header('content-type'), c.req.header('content-encoding'))
  const length = Number(c.req.header('content-length') ?? 0)
  if (length > limit) throw fail('body_too_large', { limit })
  const text = await readText(c, limit)
  const parsed = schema.safeParse(parseJson(text))
  if (parsed.success) return parsed.data
  throw issueOf(parsed.error)
}

const checkType = (type: string | undefined, encoding: string | undefined): void => {
  const json = type === undefined || /^application\/(?:[\w.+-]+\+)?json\s*(;|$)/i.test(type)
  if (!json || (encoding !== undefined && encoding !== 'identity')) throw fail('media_type_unsupported')
}

const readText = async (c: Context<Env>, limit: number): Promise<string> => {
  // Not destroyed on return: a refused body still gets its answer.
  const source: AsyncIterable<Uint8Array> | null =
    c.env?.incoming?.iterator({ destroyOnReturn: false }) ??
    (c.req.raw.body as AsyncIterable<Uint8Array> | null)
  const parts: Uint8Array[] = []
  let size = 0
  if (source) {
    for await (const part of source) {
      size += part.length
      if (size > limit) throw fail('body_too_large', { limit })
      parts.push(part)
    }
  }
  try {
    return decoder.decode(parts.length === 1 ? parts[0] : Buffer.concat(parts))
  } catch {
    throw fail('invalid_json')
  }
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

import { readFileSync } from 'node:fs'
import type { Operations } from '../desk/desk.ts'
import { fieldsOf, inputOf } from './desk-input.ts'
import { LIVE, namesOf } from './desk-table.ts'
import { visible, visibly } from './desk-text.ts'
import { Refused, type Way } from './desk-way.ts'
import { refused } from './quote.ts'

export type DeskOptions = {
  operation: string | undefined
  /** `name=value` */
  words: readonly string[]
  /** A JSON object; `-` reads it from the standard input. */
  input?: string | undefined
  approval?: string | undefined
  /** Tell what the operation takes, and do nothing. */
  fields?: boolean | undefined
  way: () => Promise<Way>
  out: (line: string) => void
}

/** `farebox desk`: lists the operations, or does one and prints its JSON; 0 done, 1 refused. */
export const deskCommand = async ({
  operation,
  words,
  way,
  out,
  ...options
}: DeskOptions): Promise<number> => {
  const table = namesOf()
  if (operation === undefined) return list(table, out)
  const one = Object.hasOwn(table, operation) ? table[operation] : undefined
  if (!one) throw new Error(`there is no operation ${operation}; \`farebox desk\` lists them`)
  if (options.fields) {
    out(`${operation}: ${one.summary}`)
    for (const line of fieldsOf(one)) out(`  ${line}`)
    return 0
  }
  const whole = options.input === '-' ? readFileSync(0, 'utf8') : options.input
  const input = inputOf(one, words, whole)
  return onWay(await way(), out, async ({ run }) => {
    try {
      out(textOf(await run(operation, input, options.approval)))
      return 0
    } catch (error) {
      if (!(error instanceof Refused) || error.body.error.code !== 'invalid_request') throw error
      refused(error.body, visibly(out))
      out(`${operation} takes:`)
      for (const line of fieldsOf(one)) out(`  ${line}`)
      return 2
    }
  })
}

/** Does something on a way, and closes it; prints what was refused, with what to do. */
export const onWay = async (
  way: Way,
  out: (line: string) => void,
  work: (way: Way) => Promise<number>,
): Promise<number> => {
  try {
    return await work(way)
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    const { code, message, hint } = error.body.error
    const approval = /apr_[\w-]+/.exec(hint)?.[0]
    // What was refused may name what others have named.
    if (code !== 'approval_waiting' || approval === undefined) return refused(error.body, visibly(out))
    out(visible(`${message} [${code}]`))
    out(
      `  Somebody else says yes or no: /admin/approvals, or farebox desk approval.decide id=${approval} approve=true`,
    )
    out(`  Then give the same command again with --approval ${approval}`)
    return 1
  } finally {
    await way.close()
  }
}

const list = (table: Operations, out: (line: string) => void): number => {
  for (const [name, { summary }] of Object.entries(table))
    out(`${name.padEnd(19)} ${summary.replace(/\.$/, '')}${LIVE.includes(name) ? ' (by --url only)' : ''}`)
  out('')
  out('farebox desk OPERATION --fields tells what one takes.')
  return 0
}

// A file is printed as it is; JSON with all escaped that a terminal would obey.
const textOf = (result: unknown): string => {
  const { text } = (result ?? {}) as { text?: unknown }
  if (typeof text === 'string') return text.trimEnd()
  return JSON.stringify(result ?? {}, null, 2)
    .split('\n')
    .map(visible)
    .join('\n')
}

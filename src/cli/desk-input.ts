import { z } from 'zod'
import type { Operation } from '../desk/desk.ts'

type Field = {
  type?: unknown
  description?: string
  default?: unknown
  enum?: readonly unknown[]
  const?: unknown
  anyOf?: readonly Field[]
  items?: Field
}

const schemaOf = ({ input }: Pick<Operation, 'input'>) =>
  z.toJSONSchema(input, { io: 'input', unrepresentable: 'any' }) as {
    properties?: Record<string, Field>
    required?: string[]
  }

/** What an operation takes, one line a field. */
export const fieldsOf = (operation: Pick<Operation, 'input'>): string[] => {
  const { properties = {}, required = [] } = schemaOf(operation)
  return Object.entries(properties).map(([name, field]) => {
    const must = required.includes(name) ? '' : ', may be left out'
    const said = field.description ? `. ${field.description}` : ''
    return `${name.padEnd(12)} ${kindOf(field)}${must}${said}`
  })
}

const kindOf = (field: Field): string => {
  if (field.enum) return field.enum.join('|')
  if (field.const !== undefined) return String(field.const)
  if (field.anyOf) {
    const kinds = field.anyOf.map(kindOf)
    return kinds.includes('true|false') ? 'true|false' : [...new Set(kinds)].join(' or ')
  }
  if (field.type === 'array') return `list of ${field.items ? kindOf(field.items) : 'JSON'}`
  if (field.type === 'boolean') return 'true|false'
  if (field.type === 'object') return 'JSON'
  if (Array.isArray(field.type)) return kindOf({ anyOf: field.type.map((type) => ({ type })) })
  return String(field.type ?? 'text').replace('string', 'text')
}

/**
 * The input of an operation from `name=value` words, each read as its field is: lists by saying a name several times,
 * lists and what nests also as JSON. Beside `whole`, a JSON object; throws for what cannot be read.
 */
export const inputOf = (
  operation: Pick<Operation, 'input'>,
  words: readonly string[],
  whole?: string,
): Record<string, unknown> => {
  const { properties = {} } = schemaOf(operation)
  const said = new Map<string, string[]>()
  for (const word of words) {
    const [, name, value] = /^(\w+)=(.*)$/s.exec(word) ?? []
    if (name === undefined || value === undefined) throw new Error(`say name=value instead of ${word}`)
    said.set(name, [...(said.get(name) ?? []), value])
  }
  const own = [...said].map(([name, texts]) => [name, readField(name, properties[name] ?? {}, texts)])
  return { ...(whole === undefined ? {} : objectOf(whole)), ...Object.fromEntries(own) }
}

const readField = (name: string, { type }: Field, texts: readonly string[]): unknown => {
  const [text = ''] = texts
  if (type === 'array') return texts.length === 1 && text.startsWith('[') ? jsonOf(name, text) : listOf(texts)
  if (texts.length > 1) throw new Error(`${name} is said twice`)
  if (type === 'object') return jsonOf(name, text)
  if (type === 'boolean' && /^(true|false)$/.test(text)) return text === 'true'
  return (type === 'number' || type === 'integer') && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
}

// Of what nests, each word is one piece of JSON.
const listOf = (texts: readonly string[]): unknown[] =>
  texts.map((text) => (text.startsWith('{') ? jsonOf('value', text) : text))

const jsonOf = (name: string, text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error(`${name} must be JSON: ${text}`)
  }
}

const objectOf = (text: string): object => {
  const value = jsonOf('--input', text)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error('--input must be a JSON object')
  return value
}

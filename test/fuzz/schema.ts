/** JSON Schema as our document uses it: what fits, an example of what fits, and what is no schema at all. */
import type { Random } from './random.ts'

export type Schema = Record<string, unknown>

/** Finds what `$ref` names; undefined where it leads nowhere. */
export type Resolve = (ref: string) => Schema | undefined

const SAID_ONLY = new Set([
  'title',
  'description',
  'default',
  'examples',
  'format',
  'id',
  '$schema',
  '$comment',
])
const TYPES = ['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'] as const
const KNOWN = new Set([
  ...['type', 'enum', 'const', 'anyOf', 'oneOf', 'allOf', '$ref', 'pattern', 'minLength', 'maxLength'],
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'items', 'minItems', 'maxItems'],
  ...['properties', 'required', 'additionalProperties', 'propertyNames'],
])

/** What is wrong with a schema itself, below `at`. */
export const schemaProblems = (schema: unknown, resolve: Resolve, at: string): string[] => {
  if (typeof schema === 'boolean') return []
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return [`${at} is no schema`]
  const one = schema as Schema
  const problems: string[] = []
  for (const key of Object.keys(one))
    if (!KNOWN.has(key) && !SAID_ONLY.has(key)) problems.push(`${at}.${key} is no keyword that is known`)
  for (const type of typesOf(one) ?? [])
    if (!TYPES.includes(type as (typeof TYPES)[number])) problems.push(`${at}.type is ${type}`)
  const ref = one['$ref']
  if (ref !== undefined && (typeof ref !== 'string' || !resolve(ref)))
    problems.push(`${at}.$ref leads nowhere: ${ref}`)
  for (const [key, inner] of partsOf(one)) problems.push(...schemaProblems(inner, resolve, `${at}.${key}`))
  const names = Object.keys((one['properties'] as Schema | undefined) ?? {})
  const required = (one['required'] as string[] | undefined) ?? []
  for (const name of required)
    if (one['properties'] && !names.includes(name))
      problems.push(`${at} requires ${name}, which it does not know`)
  return problems
}

const partsOf = (schema: Schema): [string, unknown][] => [
  ...Object.entries((schema['properties'] as Schema | undefined) ?? {}).map(
    ([key, inner]): [string, unknown] => [`properties.${key}`, inner],
  ),
  ...['anyOf', 'oneOf', 'allOf'].flatMap((key) =>
    ((schema[key] as unknown[] | undefined) ?? []).map((inner, i): [string, unknown] => [
      `${key}.${i}`,
      inner,
    ]),
  ),
  ...['items', 'additionalProperties', 'propertyNames']
    .filter((key) => schema[key] !== undefined)
    .map((key): [string, unknown] => [key, schema[key]]),
]

const typesOf = ({ type }: Schema): string[] | undefined =>
  type === undefined ? undefined : Array.isArray(type) ? (type as string[]) : [String(type)]

const typeOf = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value

const isOfType = (value: unknown, type: string): boolean => {
  if (type === 'integer') return Number.isInteger(value)
  if (type === 'number') return typeof value === 'number' && Number.isFinite(value)
  return typeOf(value) === type
}

/** The first thing in which a value does not fit; undefined when it fits. */
export const misfit = (
  value: unknown,
  schema: unknown,
  resolve: Resolve,
  at = 'value',
): string | undefined => {
  if (schema === true) return undefined
  if (schema === false) return `${at} must not be there`
  const one = schema as Schema
  if (typeof one['$ref'] === 'string') return misfit(value, resolve(one['$ref']) ?? false, resolve, at)
  const types = typesOf(one)
  if (types && !types.some((type) => isOfType(value, type))) return `${at} is no ${types.join(' or ')}`
  if ('const' in one && value !== one['const']) return `${at} is not ${JSON.stringify(one['const'])}`
  if (one['enum'] && !(one['enum'] as unknown[]).includes(value)) return `${at} is none of the enum`
  const fits = (inner: unknown) => misfit(value, inner, resolve, at) === undefined
  const list = (key: string) => one[key] as unknown[] | undefined
  if (list('anyOf') && !list('anyOf')!.some(fits)) return `${at} fits none of anyOf`
  if (list('oneOf') && list('oneOf')!.filter(fits).length !== 1) return `${at} does not fit one of oneOf`
  for (const inner of list('allOf') ?? []) if (!fits(inner)) return misfit(value, inner, resolve, at)
  if (typeof value === 'string') return misfitText(value, one, at)
  if (typeof value === 'number') return misfitNumber(value, one, at)
  if (Array.isArray(value)) return misfitArray(value, one, resolve, at)
  if (typeof value === 'object' && value !== null) return misfitObject(value as Schema, one, resolve, at)
  return undefined
}

const misfitText = (value: string, schema: Schema, at: string): string | undefined => {
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern } = schema as Record<string, number>
  const length = [...value].length
  if (length < minLength || length > maxLength) return `${at} is ${length} long`
  if (pattern !== undefined && !new RegExp(String(pattern)).test(value)) return `${at} is not as its pattern`
  return undefined
}

const misfitNumber = (value: number, schema: Schema, at: string): string | undefined => {
  const {
    minimum,
    maximum,
    exclusiveMinimum: above,
    exclusiveMaximum: below,
  } = schema as Record<string, number>
  const low = (minimum !== undefined && value < minimum) || (above !== undefined && value <= above)
  const high = (maximum !== undefined && value > maximum) || (below !== undefined && value >= below)
  return low || high ? `${at} is out of its range` : undefined
}

const misfitArray = (value: unknown[], schema: Schema, resolve: Resolve, at: string): string | undefined => {
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema as Record<string, number>
  if (value.length < minItems || value.length > maxItems) return `${at} has ${value.length} items`
  for (const [i, item] of value.entries()) {
    const problem = misfit(item, schema['items'] ?? true, resolve, `${at}.${i}`)
    if (problem) return problem
  }
  return undefined
}

const misfitObject = (value: Schema, schema: Schema, resolve: Resolve, at: string): string | undefined => {
  const properties = (schema['properties'] as Schema | undefined) ?? {}
  for (const name of (schema['required'] as string[] | undefined) ?? [])
    if (!Object.hasOwn(value, name)) return `${at}.${name} is missing`
  for (const [name, inner] of Object.entries(value)) {
    const known = Object.hasOwn(properties, name)
    const problem =
      misfit(name, schema['propertyNames'] ?? true, resolve, `the name ${at}.${name}`) ??
      misfit(
        inner,
        known ? properties[name] : (schema['additionalProperties'] ?? true),
        resolve,
        `${at}.${name}`,
      )
    if (problem) return problem
  }
  return undefined
}

/** Something that fits; patterns are met only where they are those of our document. */
export const sampleOf = (random: Random, schema: unknown, resolve: Resolve, depth = 0): unknown => {
  if (typeof schema === 'boolean') return random.pick<unknown>([1, 'a', null, [], {}])
  const one = schema as Schema
  if (typeof one['$ref'] === 'string') return sampleOf(random, resolve(one['$ref']) ?? true, resolve, depth)
  if ('const' in one) return one['const']
  if (one['enum']) return random.pick(one['enum'] as unknown[])
  const choices = (one['anyOf'] ?? one['oneOf']) as unknown[] | undefined
  if (choices) return sampleOf(random, random.pick(choices), resolve, depth)
  const types = typesOf(one)
  const type = types ? random.pick(types) : undefined
  if (type === 'null') return null
  if (type === 'boolean') return random.chance(0.5)
  if (type === 'string') return sampleText(random, one)
  if (type === 'integer' || type === 'number') return sampleNumber(random, one, type === 'integer')
  if (type === 'array') return sampleArray(random, one, resolve, depth)
  if (type === 'object') return sampleObject(random, one, resolve, depth)
  return random.pick<unknown>([1, 'a', null, [], {}])
}

const sampleText = (random: Random, schema: Schema): string => {
  const { minLength = 0, maxLength = 40 } = schema as Record<string, number>
  const pattern = schema['pattern'] as string | undefined
  if (pattern !== undefined) {
    const found = EXAMPLES.filter((example) => new RegExp(pattern).test(example))
    if (found.length === 0) throw new Error(`no example for ${pattern}`)
    return random.pick(found)
  }
  const length = minLength + random.int(Math.min(maxLength, minLength + 40) - minLength + 1)
  return Array.from({ length }, () => random.pick([...'abcé0 -_/"\\\n🙂']))
    .join('')
    .slice(0, maxLength)
}

const EXAMPLES = [
  'https://example.test/a.png',
  'data:image/png;base64,iVBORw0KGgo=',
  `0x${'1'.repeat(40)}`,
  `0x${'1'.repeat(64)}`,
  '12',
  'eip155:84532',
  'a-name-of-sixteen',
]

const sampleNumber = (random: Random, schema: Schema, whole: boolean): number => {
  const { minimum = -1000, maximum = 1000 } = schema as Record<string, number>
  if (random.chance(0.1)) return random.pick([minimum, maximum])
  const value = minimum + random.next() * (Math.min(maximum, minimum + 100) - minimum)
  return whole ? Math.floor(value) : value
}

const sampleArray = (random: Random, schema: Schema, resolve: Resolve, depth: number): unknown[] => {
  const { minItems = 0, maxItems = 3 } = schema as Record<string, number>
  const length = Math.min(maxItems, minItems + (depth > 6 ? 0 : random.int(3)))
  return Array.from({ length }, () => sampleOf(random, schema['items'] ?? true, resolve, depth + 1))
}

const sampleObject = (random: Random, schema: Schema, resolve: Resolve, depth: number): Schema => {
  const required = new Set((schema['required'] as string[] | undefined) ?? [])
  const value: Schema = {}
  for (const [name, inner] of Object.entries((schema['properties'] as Schema | undefined) ?? {}))
    if (required.has(name) || random.chance(depth > 4 ? 0.1 : 0.3))
      value[name] = sampleOf(random, inner, resolve, depth + 1)
  const more = schema['additionalProperties']
  if (more !== undefined && more !== false && random.chance(0.3))
    value[`x${random.int(9)}`] = sampleOf(random, more, resolve, depth + 1)
  return value
}

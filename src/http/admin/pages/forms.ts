/**
 * Forms of the pages as inputs of operations. A field's name says where its value goes and what it is:
 * `rules.models:list`, `budgets.0.limit:need`, `frozen:bool`. Fields that begin with `_` are the form's own.
 */

const NAME = /^([a-zA-Z][a-zA-Z]*(?:\.(?:[a-zA-Z]+|\d{1,2}))*)(?::([a-z]+))?$/
const NEVER = new Set(['constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty'])

type Branch = { [name: string]: unknown }

/** The input that a form stands for; empty fields are left out, unknown kinds and odd names are ignored. */
export const inputOf = (form: URLSearchParams): Branch => {
  const root: Branch = {}
  const lists = new Set<string>()
  const left = new Set<string>()
  for (const [name, text] of form) {
    const match = NAME.exec(name)
    if (!match) continue
    const path = match[1]!.split('.')
    if (path.some((part) => NEVER.has(part))) continue
    const kind = match[2] ?? 'text'
    if (kind === 'array') lists.add(path.join('.'))
    if (kind === 'need' && text.trim() === '') left.add(path.slice(0, -1).join('.'))
    const value = parsed(kind, text)
    if (value !== undefined) put(root, path, value)
  }
  for (const path of left) put(root, path.split('.'), undefined)
  for (const path of lists) {
    const parts = path.split('.')
    const held = get(root, parts)
    const values = Object.values((held ?? {}) as Branch).filter((one) => one !== undefined)
    put(root, parts, values)
  }
  return root
}

const parsed = (kind: string, given: string): unknown => {
  const text = given.trim()
  switch (kind) {
    case 'array':
    case 'object':
      return {}
    case 'bool':
      return text === 'true' || text === 'on'
    case 'null':
      return text === '' ? null : text
    case 'list':
      return text === '' ? undefined : text.split(/[\s,]+/).filter((one) => one !== '')
    case 'numbers':
      return text.split(/[\s,]+/).flatMap((one) => (one === '' ? [] : [Number(one)]))
    case 'number':
      return text === '' ? undefined : Number(text)
    case 'time': {
      const ms = Date.parse(/[zZ]$/.test(text) ? text : `${text}Z`)
      return text === '' ? undefined : ms
    }
    // A password may begin with a space.
    case 'exact':
      return given === '' ? undefined : given
    default:
      return text === '' ? undefined : text
  }
}

const put = (root: Branch, path: readonly string[], value: unknown): void => {
  let at = root
  for (const part of path.slice(0, -1)) {
    if (typeof at[part] !== 'object' || at[part] === null) at[part] = {}
    at = at[part] as Branch
  }
  const last = path.at(-1)!
  // A marker never undoes what stands there.
  const isMarker = typeof value === 'object' && value !== null && Object.keys(value).length === 0
  if (isMarker && !Array.isArray(value) && at[last] !== undefined) return
  if (value === undefined) delete at[last]
  else at[last] = value
}

const get = (root: Branch, path: readonly string[]): unknown =>
  path.reduce<unknown>((at, part) => (at as Branch | undefined)?.[part], root)

import { z } from 'zod'
import { configSchema } from '../config.ts'

type Row = { key: string; type: string; fallback: string; about: string }
type Schema = {
  type?: string
  description?: string
  default?: unknown
  enum?: unknown[]
  properties?: Record<string, Schema>
  items?: Schema
  required?: string[]
}

/** The configuration as lines for a terminal, from the schema itself. */
export const configHelp = (): string => {
  const rows = configRows()
  const width = Math.max(...rows.map((row) => row.key.length))
  return [
    'Configuration (farebox.yaml):',
    ...rows.map((row) => `  ${row.key.padEnd(width)}  ${about(row)}`),
  ].join('\n')
}

/** The configuration as a Markdown table, for the README. */
export const configTable = (): string =>
  [
    '| key | default | what it is |',
    '|---|---|---|',
    ...configRows().map(
      (row) =>
        `| \`${row.key}\` | ${row.fallback ? `\`${row.fallback}\`` : '—'} | ${row.about || row.type} |`,
    ),
  ].join('\n')

const configRows = (): Row[] =>
  rowsOf('', z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as Schema)

const rowsOf = (path: string, schema: Schema): Row[] => {
  if (schema.properties && Object.keys(schema.default ?? {}).length === 0) {
    return Object.entries(schema.properties).flatMap(([name, inner]) =>
      rowsOf(path ? `${path}.${name}` : name, inner),
    )
  }
  if (schema.items?.properties) return rowsOf(`${path}[]`, schema.items)
  const fallback = schema.default === undefined ? '' : JSON.stringify(schema.default).replace(/^"|"$/g, '')
  const type = schema.enum ? schema.enum.join(' or ') : (schema.type ?? 'value')
  return [{ key: path, type, fallback, about: schema.description ?? '' }]
}

const about = (row: Row): string =>
  `${row.about || row.type}${row.fallback ? ` (default ${row.fallback})` : ''}`

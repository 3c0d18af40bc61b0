// Writes into the README what the code says itself: the configuration table and the client example. `--check` only compares.
import { readFileSync, writeFileSync } from 'node:fs'
import { configTable } from '../src/cli/config-help.ts'

const path = new URL('../README.md', import.meta.url)
const example = readFileSync(new URL('../examples/openai-sdk.ts', import.meta.url), 'utf8')
  .replace("'../src/client/index.ts' // in your project: 'farebox/client'", "'farebox/client'")
  .split('\n')
  .filter((line) => !line.startsWith('// The official'))
  .join('\n')
  .trim()

const parts = { config: configTable(), example: `\`\`\`ts\n${example}\n\`\`\`` }

const before = readFileSync(path, 'utf8')
const after = Object.entries(parts).reduce((text, [name, part]) => {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`]
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from === -1 || to === -1) throw new Error(`README.md has no ${begin} … ${end}`)
  return `${text.slice(0, from + begin.length)}\n${part}\n${text.slice(to)}`
}, before)

if (!process.argv.includes('--check')) writeFileSync(path, after)
else if (after !== before) {
  console.error('README.md is behind the code: node tools/readme.mjs')
  process.exit(1)
}

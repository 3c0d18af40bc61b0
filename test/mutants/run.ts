/**
 * Breaks the payment and ledger code on purpose, one way at a time, and checks that the suite notices: `npm run mutants`
 * runs all of list.ts, `npm run mutants -- nonce` those whose name has that word. A mutant that no test kills ends in
 * exit code 1. Works in a copy; the checkout stays as it is.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Mutant, mutants } from './list.ts'

const root = join(import.meta.dirname, '..', '..')
const COPIED = [
  'bench',
  'bin',
  'contracts',
  'contracts-abi',
  'examples',
  'src',
  'test',
  'tools',
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
  'data',
  'farebox.example.yaml',
  'README.md',
]
const LONGEST_MS = 300_000

type Outcome = {
  name: string
  verdict: 'killed' | 'SURVIVED' | 'does not apply' | 'suite is red'
  seconds: number
}

const copyRepo = (): string => {
  const copy = mkdtempSync(join(tmpdir(), 'farebox-mutants-'))
  for (const name of COPIED) cpSync(join(root, name), join(copy, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

/** Whether the tests pass in the copy as it is. */
const passes = (copy: string, tests: readonly string[]): boolean => {
  const args = [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', '--bail', '1', ...tests]
  return spawnSync(process.execPath, args, { cwd: copy, timeout: LONGEST_MS, stdio: 'ignore' }).status === 0
}

const judge = (copy: string, mutant: Mutant): Outcome['verdict'] => {
  const file = join(copy, mutant.file)
  const text = readFileSync(file, 'utf8')
  if (text.split(mutant.find).length !== 2) return 'does not apply'
  writeFileSync(
    file,
    text.replace(mutant.find, () => mutant.put),
  )
  try {
    return passes(copy, mutant.tests) ? 'SURVIVED' : 'killed'
  } finally {
    writeFileSync(file, text)
  }
}

const main = (): number => {
  const word = process.argv[2] ?? ''
  const chosen = mutants.filter((one) => one.name.includes(word))
  const copy = copyRepo()
  try {
    // A red suite would kill every mutant.
    const tests = [...new Set(chosen.flatMap((one) => one.tests))]
    if (!passes(copy, tests)) {
      console.log('The tests fail without any mutant: nothing can be said.')
      return 1
    }
    const outcomes = chosen.map((mutant, i): Outcome => {
      const start = performance.now()
      const verdict = judge(copy, mutant)
      const seconds = Math.round((performance.now() - start) / 1000)
      console.log(`${i + 1}/${chosen.length} ${verdict.padEnd(14)} ${mutant.name} (${seconds} s)`)
      return { name: mutant.name, verdict, seconds }
    })
    const killed = outcomes.filter((one) => one.verdict === 'killed').length
    console.log(`${killed} of ${outcomes.length} killed`)
    return killed === outcomes.length && killed > 0 ? 0 : 1
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

process.exitCode = main()

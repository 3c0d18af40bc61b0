// Compiles src into dist for publishing: a package under node_modules cannot be type-stripped.
import { spawnSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
rmSync(join(root, 'dist'), { recursive: true, force: true })
const flags = [
  '--noEmit',
  'false',
  '--declaration',
  '--outDir',
  'dist',
  '--rootDir',
  '.',
  '--rewriteRelativeImportExtensions',
]
const tsc = join(root, 'node_modules', '.bin', 'tsc')
const built = spawnSync(tsc, ['--project', 'tsconfig.build.json', ...flags], { cwd: root, stdio: 'inherit' })
// What the sources read beside themselves lies beside them again.
for (const name of ['catalog.json', 'providers.json', 'difficulty.bin'])
  cpSync(join(root, 'data', name), join(root, 'dist', 'data', name))
cpSync(join(root, 'src/http/admin/assets'), join(root, 'dist/src/http/admin/assets'), { recursive: true })
process.exit(built.status ?? 1)

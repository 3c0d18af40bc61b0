// Brings node_modules up to date before a script runs, so that a fresh clone needs no command of its own.
// Plain Node 20 and no imports beyond Node's: it runs before anything is installed.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const stamp = join(root, 'node_modules', '.farebox-installed')
const wanted = createHash('sha256')
  .update(readFileSync(join(root, 'package.json')))
  .update(existsSync(join(root, 'package-lock.json')) ? readFileSync(join(root, 'package-lock.json')) : '')
  .digest('hex')

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  console.error('farebox: installing dependencies (once, about half a minute)…')
  // `npm install`, not `npm ci`: some registries lack the other platforms' builds that the lockfile names.
  const ran = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  if (ran.status !== 0) {
    console.error('farebox: npm install failed; run it by hand in this folder to see why.')
    process.exit(ran.status ?? 1)
  }
  const after = createHash('sha256')
    .update(readFileSync(join(root, 'package.json')))
    .update(existsSync(join(root, 'package-lock.json')) ? readFileSync(join(root, 'package-lock.json')) : '')
    .digest('hex')
  writeFileSync(stamp, after)
}

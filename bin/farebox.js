#!/usr/bin/env node
// Starts Farebox with a Node that can run it: this one, or the one that `npm install` brought along.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import module from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const [major, minor] = process.versions.node.split('.').map(Number)

if (major > 22 || (major === 22 && minor >= 19)) {
  // In the repository the source runs as it is; a published package holds it compiled.
  const isRepository = existsSync(join(root, 'src', 'main.ts'))
  // Its types are stripped and its code compiled once, not at every start: half a second each. Not under /tmp, where others could write.
  if (isRepository) module.enableCompileCache(join(root, 'node_modules', '.cache', 'farebox'))
  const { main } = await import(isRepository ? '../src/main.ts' : '../dist/src/main.js')
  if (isRepository) module.flushCompileCache?.()
  // Said outright: a command that could not start leaves threads and timers behind.
  process.exit(await main(process.argv.slice(2), process.env))
} else {
  const node = join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  if (!existsSync(node)) {
    console.error(
      `farebox needs Node 22.19 or newer; this is ${process.version}. In the repository, run \`npm install\` first: it brings one.`,
    )
    process.exit(1)
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)))
}

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const INSTALL_MS = 300_000

/** What a machine without a browser is told. */
export const HOW_TO_INSTALL =
  'these tests need Chromium: set CHROMIUM_PATH, or install it with `apt-get install chromium` or `brew install chromium`'

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']

const found = (): string | undefined => {
  const given = process.env['CHROMIUM_PATH']
  if (given !== undefined) return given
  for (const folder of [...(process.env['PATH'] ?? '').split(':'), '/usr/bin'])
    for (const name of NAMES) if (folder !== '' && existsSync(`${folder}/${name}`)) return `${folder}/${name}`
  return undefined
}

/** The browser's path; installs Debian's package when root and there is none; throws what to install otherwise. */
export const browserPath = (): string => {
  const here = found()
  if (here !== undefined) return here
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status !== 0)
    throw new Error(HOW_TO_INSTALL)
  if (!install()) {
    apt('update')
    install()
  }
  const after = found()
  if (after === undefined) throw new Error(`${HOW_TO_INSTALL} (apt-get could not)`)
  return after
}

const install = (): boolean =>
  apt('install', '-y', '--no-install-recommends', 'chromium', 'fonts-dejavu-core')

const apt = (...args: string[]): boolean =>
  spawnSync('apt-get', args, {
    stdio: 'ignore',
    timeout: INSTALL_MS,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  }).status === 0

/** A browser of its own, with a profile that is new and thrown away. */
export const startBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: browserPath(), args: FLAGS, headless: true, timeout: 60_000 })

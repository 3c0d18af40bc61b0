/** Makes docs/images/admin-*.png: the pages of the desk with the figures of an invented router. Needs Chromium. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { startBrowser } from '../test/browser/chromium.ts'
import { seed, someUse } from '../test/browser/seed.ts'
import { OPERATOR, openSite } from '../test/browser/site.ts'

const NOW = Date.parse('2026-11-19T15:42:00Z')
const DAY = 86_400_000
const MOST_BYTES = 200_000

const SHOTS = [
  { name: 'overview', path: '/admin', theme: 'light' },
  { name: 'tree', path: '/admin/tree', theme: 'light' },
  { name: 'calls', path: '/admin/calls', theme: 'light' },
  { name: 'analytics', path: '/admin/analytics', theme: 'dark' },
] as const

// What was made by the seed was made a while ago.
let shift = -41 * DAY
const started = performance.now()
const clock = {
  now: () => Math.round(NOW + shift + performance.now() - started),
  sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
}

const site = await openSite({ clock, used: someUse() })
await seed(site, { at: NOW, days: 61, many: 200 })
shift = 0
const browser = await startBrowser()
try {
  for (const { name, path, theme } of SHOTS) {
    const context = await browser.newContext({
      viewport: { width: 1440, height: name === 'calls' ? 740 : 900 },
      colorScheme: theme,
    })
    const page = await context.newPage()
    await signIn(page)
    await page.goto(`${site.url}${path}`)
    await page.waitForTimeout(200)
    const file = join(import.meta.dirname, `../docs/images/admin-${name}.png`)
    await page.screenshot({ path: file })
    const { size } = statSync(file)
    console.log(`${file}: ${Math.round(size / 1_000)} kB`)
    if (size > MOST_BYTES) throw new Error(`${name} is larger than ${MOST_BYTES} bytes`)
    await context.close()
  }
} finally {
  await browser.close()
  await site.close()
}

async function signIn(page: Page): Promise<void> {
  await page.goto(`${site.url}/admin/sign-in`)
  await page.fill('[name=name]', OPERATOR.name)
  await page.fill('[name=password]', OPERATOR.password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.waitForURL(/\/admin$/)
}

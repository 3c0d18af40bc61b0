import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { NodeView } from '../../src/desk/tree.ts'
import { startBrowser } from './chromium.ts'
import { someCalls } from './figures.ts'
import { askFor, type Seeded, seed, someUse } from './seed.ts'
import { OPERATOR, OWNER, openSite, type Site, WALLET } from './site.ts'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

let site: Site
let seeded: Seeded
let browser: Browser
/** Signed in once; every test has a page of its own in it. */
let context: BrowserContext
/** What browsers complained of, on any page. */
const complaints: string[] = []

const watched = async (of: BrowserContext): Promise<Page> => {
  const page = await of.newPage()
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`${page.url()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.message}`))
  return page
}

const visit = async (page: Page, path: string): Promise<void> => {
  await page.goto(`${site.url}${path}`)
}

const signIn = async (page: Page): Promise<void> => {
  await visit(page, '/admin/sign-in')
  await page.fill('[name=name]', OPERATOR.name)
  await page.fill('[name=password]', OPERATOR.password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.waitForURL(/\/admin$/)
}

/** Presses Tab until what is wanted has the focus, as somebody without a mouse would. */
const tabTo = async (page: Page, selector: string): Promise<void> => {
  for (let presses = 0; presses < 120; presses++) {
    await page.keyboard.press('Tab')
    const there = await page.evaluate(`document.activeElement?.matches(${JSON.stringify(selector)})`)
    if (there) return
  }
  throw new Error(`no number of tabs leads to ${selector}`)
}

beforeAll(async () => {
  site = await openSite({ used: someUse() })
  seeded = await seed(site, { days: 14, many: 40 })
  browser = await startBrowser()
  context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  const page = await watched(context)
  await signIn(page)
  await page.close()
}, 400_000)

afterAll(async () => {
  await browser?.close()
  await site?.close()
})

describe('with the keyboard alone', () => {
  test('one signs in, makes an organisation, a user and a key, and freezes it', async () => {
    const own = await browser.newContext({ viewport: { width: 1280, height: 800 } })
    const page = await watched(own)
    await visit(page, '/admin/tree')
    await page.waitForURL(/sign-in/)
    await tabTo(page, '[name=name]')
    await page.keyboard.type(OPERATOR.name)
    await page.keyboard.press('Tab')
    await page.keyboard.type(OPERATOR.password)
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/admin$/)

    // The first stop leads past the menu.
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content')
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid')
    await page.keyboard.press('Enter')
    expect(await page.evaluate('document.activeElement.id')).toBe('main')

    await visit(page, '/admin/tree')
    await tabTo(page, '#org-create-name')
    await page.keyboard.type('Tern & Co. <b>')
    await page.keyboard.press('Enter')
    await page.waitForSelector('.flash.good')
    await tabTo(page, '#tree a[href^="/admin/tree/org_"]')
    const org = await page.locator('a', { hasText: 'Tern & Co. <b>' }).getAttribute('href')
    await visit(page, org!)
    await tabTo(page, '#user-create-name')
    await page.keyboard.type('Ines')
    await page.keyboard.press('Enter')
    await page.waitForSelector('.flash.good')
    await page.click('text="Ines"')
    await tabTo(page, '#key-create-name')
    await page.keyboard.type('ines-laptop')
    await page.keyboard.press('Enter')
    const secret = await page.locator('.secret code').textContent()
    expect(secret).toMatch(/^fbx_[\w-]{30,}/)
    await tabTo(page, 'a.button.primary')
    await page.keyboard.press('Enter')
    await page.waitForSelector('#below')
    expect(await page.content()).not.toContain(secret)

    await tabTo(page, '[aria-label="Freeze ines-laptop"]')
    await page.keyboard.press('Enter')
    await page.waitForSelector('dialog[open]')
    expect(await page.locator('#confirm-text').textContent()).toContain('Freeze ines-laptop?')
    await page.keyboard.press('Escape')
    expect(await page.locator('#below .badge.warn').count()).toBe(0)
    await page.click('[aria-label="Freeze ines-laptop"]')
    await page.keyboard.press('Enter')
    await page.waitForSelector('#below .badge.warn')
    const { nodes } = (await site.desk.run(OWNER, 'tree.list', {
      under: page.url().split('/').at(-1)!,
    })) as { nodes: NodeView[] }
    expect(nodes).toMatchObject([{ name: 'ines-laptop', frozen: true }])
    await own.close()
  })
})

test('one signs in with a wallet, and reads why when it does not sign', async () => {
  const own = await browser.newContext()
  const page = await watched(own)
  let willing = false
  await page.exposeFunction('walletAsked', async (method: string, [message]: string[]) => {
    if (method === 'eth_requestAccounts') return [WALLET.address]
    if (!willing) throw new Error('no')
    return WALLET.signMessage({ message: message! })
  })
  await page.addInitScript(
    'window.ethereum = { request: ({ method, params = [] }) => window.walletAsked(method, params) }',
  )
  await visit(page, '/admin/sign-in')
  const button = page.getByRole('button', { name: 'Sign in with a wallet' })
  await button.click()
  await page.getByText('The wallet could not sign.').waitFor()
  willing = true
  await button.click()
  await page.waitForURL(/\/admin$/)
  expect(await page.locator('.me-name').textContent()).toBe('mara')
  await own.close()
})

test('one approves what somebody asked for, with a note', async () => {
  const id = await askFor(site, seeded, 'openai/gpt-4.1')
  const page = await watched(context)
  await visit(page, '/admin/approvals')
  const one = page.locator('li.waiting', { hasText: 'openai/gpt-4.1' })
  await one.getByLabel('Note').fill('for the demo')
  await one.getByRole('button', { name: 'Approve' }).click()
  await page.waitForSelector('.flash.good')
  const { approvals } = (await site.desk.run(OWNER, 'approval.list', { status: 'approved' })) as {
    approvals: { id: string; note: string }[]
  }
  expect(approvals).toMatchObject([{ id, note: 'for the demo' }])
  await page.close()
})

test('the theme follows the system until it is chosen, and stays as chosen', async () => {
  const own = await browser.newContext({ colorScheme: 'dark', storageState: await context.storageState() })
  const page = await watched(own)
  const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
  await visit(page, '/admin/me')
  const dark = await ground()
  await page.getByRole('button', { name: 'Light theme' }).click()
  const light = await ground()
  expect(light).not.toBe(dark)
  await visit(page, '/admin/keys')
  expect(await ground()).toBe(light)
  await own.close()
})

test('what is looked at is refreshed by itself', async () => {
  const page = await watched(context)
  await page.clock.install()
  await visit(page, '/admin/calls')
  const [newest] = someCalls({ now: site.clock.now(), many: 1, paths: [] })
  site.calls.unshift({ ...newest!, id: 'call_fresh00000001', asked: 'new/model', service: { at: 'claimed' } })
  await page.clock.runFor(6_000)
  await page.waitForSelector('#calls >> text="new/model"')
  await page.close()
})

test('a curve has its figures beside it, and can be shown as a table', async () => {
  const page = await watched(context)
  await visit(page, '/admin/analytics')
  expect(await page.locator('.plot canvas').count()).toBe(2)
  const table = page.locator('.chart-table').first()
  expect((await table.boundingBox())!.height).toBeLessThan(2)
  expect(await table.locator('tbody tr').count()).toBe(30)
  await page.getByRole('button', { name: 'Show table' }).first().click()
  expect((await table.boundingBox())!.height).toBeGreaterThan(100)
  await page.close()
})

test('without scripts everything works, and curves are tables', async () => {
  const own = await browser.newContext({ javaScriptEnabled: false })
  const page = await own.newPage()
  await signIn(page)
  await visit(page, '/admin/analytics')
  expect(await page.locator('.chart-table').first().isVisible()).toBe(true)
  await visit(page, '/admin/tree')
  await page.fill('#org-create-name', 'No scripts here')
  await page.click('text="Create organisation"')
  expect(await page.locator('.flash.good').textContent()).toBe('The organisation is there.')
  await page.setViewportSize({ width: 360, height: 780 })
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.getByRole('link', { name: 'Webhooks' }).click()
  expect(await page.locator('h1').textContent()).toBe('Webhooks')
  await own.close()
})

test('every page can be read by everybody, in both themes, on a phone and on a wide screen', async () => {
  const { nodes } = (await site.desk.run(OWNER, 'tree.list', { under: seeded.orgs[0]! })) as {
    nodes: NodeView[]
  }
  await site.desk.run(OWNER, 'hook.create', { at: 'site', url: 'http://127.0.0.1:9/hook' })
  const paths = [
    '?days=1',
    '/calls',
    '/models?q=gpt-4o',
    '/settlements',
    '/tree',
    `/tree/${seeded.orgs[0]}`,
    `/tree/${nodes[0]!.id}`,
    `/tree/${seeded.keys[0]}`,
    '/keys',
    '/approvals',
    '/members',
    '/analytics',
    '/audit?verify=1',
    '/hooks',
    '/me',
    '/tree/org_none',
  ]
  const lanes = [paths.filter((_, at) => at % 2 === 0), paths.filter((_, at) => at % 2 === 1)]
  const found = await Promise.all(lanes.map((lane) => judged(lane.map((path) => `/admin${path}`))))
  const strange = await browser.newContext({ viewport: { width: 360, height: 780 } })
  const page = await watched(strange)
  await visit(page, '/admin/sign-in')
  const atDoor = await illsOf(page, '/admin/sign-in', {})
  await signIn(page)
  await page.getByRole('button', { name: 'Menu' }).click()
  atDoor.push(...(await illsOf(page, '/admin on a phone, its menu open', {})))
  await strange.close()
  expect([...found.flat(), ...atDoor]).toEqual([])
}, 120_000)

/** What is wrong with some pages, one after the other in one tab. */
const judged = async (paths: readonly string[]): Promise<string[]> => {
  const page = await watched(context)
  const ills: string[] = []
  for (const path of paths) {
    await page.setViewportSize({ width: 1440, height: 900 })
    await visit(page, path)
    await page.evaluate('for (const one of document.querySelectorAll("details")) one.open = true')
    ills.push(...(await illsOf(page, `${path} light`, {})))
    await page.evaluate('document.documentElement.dataset.theme = "dark"')
    ills.push(...(await illsOf(page, `${path} dark`, { runOnly: ['color-contrast'] })))
    for (const width of [1920, 360]) {
      await page.setViewportSize({ width, height: 780 })
      const wide = await page.evaluate(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      )
      if (wide !== 0) ills.push(`${path} scrolls sideways by ${wide} at ${width}`)
    }
  }
  await page.close()
  return ills
}

type Violation = { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }

const illsOf = async (page: Page, where: string, options: object): Promise<string[]> => {
  // What fades in has other colours on its way.
  await page.evaluate('Promise.all(document.getAnimations().map((one) => one.finished))')
  await page.evaluate(AXE)
  const found = (await page.evaluate(
    `axe.run(document, ${JSON.stringify({ resultTypes: ['violations'], ...options })})`,
  )) as {
    violations: Violation[]
  }
  return found.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes
        .slice(0, 3)
        .map(
          ({ html, failureSummary }) =>
            `${where}: ${id}: ${html.slice(0, 160)} ${failureSummary.slice(0, 200)}`,
        ),
    )
}

test('no browser complained of anything on the way', () => {
  expect(complaints).toEqual([])
})

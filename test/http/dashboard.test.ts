import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROLES, type Role } from '../../src/accounts/roles.ts'
import type { NodeView } from '../../src/desk/tree.ts'
import { inputOf } from '../../src/http/admin/pages/forms.ts'
import { duration, shareOf, sumUsd, usd } from '../../src/http/admin/pages/words.ts'
import { askFor, seed } from '../browser/seed.ts'
import { OPERATOR, OWNER, openSite, type Site } from '../browser/site.ts'

const PAGES = [
  '',
  '/calls',
  '/models',
  '/settlements',
  '/tree',
  '/keys',
  '/approvals',
  '/members',
  '/analytics',
  '/audit',
  '/hooks',
  '/me',
].map((path) => `/admin${path}`)
const PASSWORD = 'a password for tests only'
const NASTY = `"><script>alert(1)</script>'<img src=x onerror=alert(2)>\u202Egnp.exe & Söhne`

/** A tag with its attributes, each of them quoted. */
const TAG = /<\/?([a-z][a-z0-9]*)(?:\s+[\w:-]+(?:="[^"<>]*")?)*\s*\/?>/g

let site: Site
let org: string
let nodes: NodeView[]

const get = (path: string, cookie?: string) =>
  site.app.request(`${site.url}${path}`, { headers: { ...(cookie && { cookie }) } })

const signIn = async (name: string, password = PASSWORD): Promise<string> => {
  const answer = await site.app.request(`${site.url}/admin/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, password }),
  })
  expect(answer.status).toBe(200)
  return answer.headers.get('set-cookie')!.split(';')[0]!
}

const post = (path: string, cookie: string, form: Record<string, string>) =>
  site.app.request(`${site.url}${path}`, {
    method: 'POST',
    headers: { cookie, 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
  })

const csrfOf = async (cookie: string): Promise<string> =>
  ((await (await get('/admin/session', cookie)).json()) as { csrf: string }).csrf

const run = async (name: string, input: object): Promise<NodeView> =>
  ((await site.desk.run(OWNER, name, input)) as { node: NodeView }).node

beforeAll(async () => {
  site = await openSite({ deaf: true })
  const seeded = await seed(site, { days: 3, many: 60 })
  org = seeded.orgs[0]!
  const nasty = await run('org.create', { name: NASTY })
  const team = await run('team.create', { org: nasty.id, name: NASTY })
  const user = await run('user.create', { in: team.id, name: NASTY })
  const key = await run('key.create', { user: user.id, name: NASTY })
  nodes = [nasty, team, user, key]
  await askFor(site, seeded, NASTY)
  await site.desk.run(OWNER, 'hook.create', { at: 'site', url: 'http://127.0.0.1:9/x', description: NASTY })
  for (const call of site.calls.slice(0, 3)) call.asked = NASTY
  for (const role of ROLES) {
    for (const at of ['site', org]) {
      const login = `${role}-${at === 'site' ? 'site' : 'org'}`
      const member = await run('user.create', { in: org, name: login, login, password: PASSWORD })
      await site.desk.run(OWNER, 'role.grant', { user: member.id, role, at })
    }
  }
})
afterAll(() => site.close())

describe('who is not signed in', () => {
  test('is led to the sign-in page from everywhere', async () => {
    for (const path of [...PAGES, `/admin/tree/${org}`]) {
      const answer = await get(path)
      expect([path, answer.status, answer.headers.get('location')]).toEqual([path, 303, '/admin/sign-in'])
    }
    expect((await get('/admin/sign-in')).status).toBe(200)
  })

  test('reads why a sign-in was refused, and no word of a stranger', async () => {
    expect(await (await get('/admin/sign-in?refused=login_failed')).text()).toContain('do not match')
    expect(await (await get('/admin/sign-in?refused=<b>pay+here</b>')).text()).not.toContain('pay here')
  })
})

describe('what pages show', () => {
  test('names of customers are text wherever they stand, and cannot turn what is around them', async () => {
    const cookie = await signIn(OPERATOR.name, OPERATOR.password)
    for (const path of [...PAGES, ...nodes.map(({ id }) => `/admin/tree/${id}`)]) {
      const html = await (await get(path, cookie)).text()
      const tags = [...html.matchAll(TAG)]
      expect(html.replace(TAG, '').replace('<!doctype html>', '').indexOf('<'), path).toBe(-1)
      const bare = tags.map(([tag]) => tag.replace(/"[^"]*"/g, ''))
      expect(
        bare.filter((tag) => /^<img| on[a-z]+=/.test(tag)),
        path,
      ).toEqual([])
      for (const [tag, name] of tags)
        if (name === 'script' && tag !== '</script>') expect(tag, path).toContain('src="/admin/assets/')
    }
    const html = await (await get(`/admin/tree/${nodes[0]!.id}`, cookie)).text()
    expect(html).toContain('<h1 dir="auto">&quot;&gt;&lt;script&gt;')
  })

  test('no page may run a script, load a file or be framed by another site', async () => {
    const cookie = await signIn(OPERATOR.name, OPERATOR.password)
    for (const path of [
      ...PAGES,
      '/admin/sign-in?refused=other',
      `/admin/tree/${org}`,
      '/admin/tree/org_none',
    ]) {
      const answer = await get(path, path.includes('sign-in') ? undefined : cookie)
      const csp = answer.headers.get('content-security-policy') ?? ''
      expect(csp, path).toContain("default-src 'none'; script-src 'self'; style-src 'self'")
      expect(csp, path).toContain("frame-ancestors 'none'; base-uri 'none'")
      expect(csp, path).not.toContain('unsafe')
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
      expect(answer.headers.get('referrer-policy')).toBe('same-origin')
      expect(answer.headers.get('cache-control')).toBe('no-store')
      const html = await answer.text()
      expect(html, path).not.toMatch(/ style="| on\w+="|<style|javascript:/)
    }
  })

  test('every page opens for every role, and forms are there only for who may send them', async () => {
    const may: Record<Role, { tree: boolean; budget: boolean; role: boolean; audit: boolean; key: boolean }> =
      {
        owner: { tree: true, budget: true, role: true, audit: true, key: true },
        admin: { tree: true, budget: true, role: false, audit: true, key: true },
        finance: { tree: false, budget: true, role: false, audit: true, key: false },
        developer: { tree: false, budget: false, role: false, audit: false, key: true },
        auditor: { tree: false, budget: false, role: false, audit: true, key: false },
      }
    const user = (
      (await site.desk.run(OWNER, 'tree.list', { under: org })) as { nodes: NodeView[] }
    ).nodes.find(({ level }) => level === 'user')!
    for (const role of ROLES) {
      for (const where of ['site', 'org']) {
        const cookie = await signIn(`${role}-${where}`)
        const html: Record<string, string> = {}
        for (const path of [...PAGES, `/admin/tree/${org}`, `/admin/tree/${user.id}`]) {
          const answer = await get(path, cookie)
          expect([role, where, path, answer.status]).toEqual([role, where, path, 200])
          html[path] = await answer.text()
        }
        const has = (path: string, operation: string) =>
          html[path]!.includes(`action="/admin/do/${operation}"`)
        const seen = {
          tree: has(`/admin/tree/${org}`, 'node.rename'),
          budget: has(`/admin/tree/${org}`, 'node.budgets'),
          role: has('/admin/members', 'role.grant'),
          audit: html['/admin']!.includes('href="/admin/audit"'),
          key: has(`/admin/tree/${user.id}`, 'key.create'),
        }
        expect([role, where, seen]).toEqual([role, where, may[role]])
        expect(has('/admin/tree', 'org.create')).toBe(where === 'site' && may[role].tree)
        const isBooks = where === 'site' && ['owner', 'finance', 'auditor'].includes(role)
        expect([role, where, html['/admin/analytics']!.includes('Margin')]).toEqual([role, where, isBooks])
      }
    }
  })

  test('what another organisation has is as unknown as what there is not', async () => {
    const cookie = await signIn('owner-org')
    const other = await (await get(`/admin/tree/${nodes[0]!.id}`, cookie)).text()
    const none = await (await get('/admin/tree/org_none', cookie)).text()
    expect(other).not.toContain('gnp.exe')
    expect(other.replaceAll(nodes[0]!.id, 'org_none')).toBe(none)
  })
})

describe('forms', () => {
  test('a key is shown once, in the answer itself and in no cookie or address', async () => {
    const cookie = await signIn(OPERATOR.name, OPERATOR.password)
    const _csrf = await csrfOf(cookie)
    const _back = `/admin/tree/${nodes[2]!.id}`
    const answer = await post('/admin/do/key.create', cookie, {
      _csrf,
      _back,
      user: nodes[2]!.id,
      name: 'night',
    })
    expect(answer.status).toBe(200)
    const secret = /data-copy="(fbx_[^"]+)"/.exec(await answer.text())?.[1]
    expect(secret).toBeDefined()
    expect(JSON.stringify([...answer.headers])).not.toContain(secret)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(await (await get(_back, cookie)).text()).not.toContain(secret)
  })

  test('nothing is changed without the word of the session', async () => {
    const cookie = await signIn(OPERATOR.name, OPERATOR.password)
    const other = await csrfOf(await signIn('owner-site'))
    for (const _csrf of ['', 'x', other]) {
      const answer = await post('/admin/do/org.create', cookie, { _csrf, name: 'Sneaked in' })
      expect(answer.status).toBe(403)
    }
    expect(await (await get('/admin/tree', cookie)).text()).not.toContain('Sneaked in')
  })

  test('a form that is refused says why beside it and keeps what was typed', async () => {
    const cookie = await signIn('admin-org')
    const _csrf = await csrfOf(cookie)
    const form = {
      _csrf,
      _back: `/admin/tree/${org}`,
      _form: 'user-create',
      in: org,
      name: 'Zoë <b>',
      login: 'A B',
    }
    const answer = await post('/admin/do/user.create', cookie, form)
    const html = await answer.text()
    expect(answer.status).toBe(422)
    expect(html).toMatch(/id="user-create|role="alert"[^>]*>.*Not done/s)
    expect(html).toContain('value="Zoë &lt;b&gt;"')
    expect(html).toContain('value="A B"')
  })

  test('what a role may not is refused in words, whatever form is sent', async () => {
    const cookie = await signIn('auditor-org')
    const form = { _csrf: await csrfOf(cookie), _back: '/admin/tree', id: org, 'frozen:bool': 'true' }
    const answer = await post('/admin/do/node.freeze', cookie, form)
    expect(answer.status).toBe(422)
    expect(
      ((await site.desk.run(OWNER, 'node.get', { id: org })) as { node: NodeView }).node.frozen,
    ).toBeFalsy()
  })

  test('a form leads back to our own pages only', async () => {
    const cookie = await signIn(OPERATOR.name, OPERATOR.password)
    const _csrf = await csrfOf(cookie)
    for (const _then of [
      '//evil.example',
      'https://evil.example',
      '/admin//evil',
      '/admin\\evil',
      '/administrator',
    ]) {
      const form = { _csrf, _back: _then, _then, id: nodes[1]!.id, name: 'Renamed' }
      const answer = await post('/admin/do/node.rename', cookie, form)
      expect([answer.status, answer.headers.get('location')]).toEqual([303, '/admin'])
    }
    await run('node.rename', { id: nodes[1]!.id, name: NASTY })
  })

  test('what is said after a change is said once, and nobody else can say it', async () => {
    const cookie = await signIn(OPERATOR.name, OPERATOR.password)
    const form = { _csrf: await csrfOf(cookie), _back: '/admin/tree', name: 'Said once' }
    const done = await post('/admin/do/org.create', cookie, form)
    const said = done.headers.get('set-cookie')!.split(';')[0]!
    const next = await get('/admin/tree', `${cookie}; ${said}`)
    expect(await next.text()).toContain('The organisation is there.')
    expect(next.headers.get('set-cookie')).toContain('Max-Age=0')
    const body = Buffer.from(JSON.stringify({ kind: 'good', text: 'Call this number' })).toString('base64url')
    const forged = `${cookie}; farebox_said=${body}.${said.split('.').at(-1)}`
    expect(await (await get('/admin/tree', forged)).text()).not.toContain('Call this number')
  })

  test('fields are read as they are named, and names that reach into objects are not', () => {
    const form = new URLSearchParams([
      ['_csrf', 'x'],
      ['id', ' org_1 '],
      ['frozen:bool', 'true'],
      ['rules:object', ''],
      ['rules.models:list', 'a/b, c/*'],
      ['rules.chains:list', ''],
      ['rules.perMinute:number', '60'],
      ['budgets:array', ''],
      ['budgets.0.limit:need', '5'],
      ['budgets.0.alerts:numbers', '50, 80'],
      ['budgets.1.limit:need', ''],
      ['budgets.1.per', 'day'],
      ['__proto__.polluted', 'yes'],
      ['constructor.prototype.polluted', 'yes'],
    ])
    expect(inputOf(form)).toEqual({
      id: 'org_1',
      frozen: true,
      rules: { models: ['a/b', 'c/*'], perMinute: 60 },
      budgets: [{ limit: '5', alerts: [50, 80] }],
    })
    expect(({} as { polluted?: string }).polluted).toBeUndefined()
  })
})

test('files are kept by browsers for ever, under a name that changes with them', async () => {
  const html = await (await get('/admin/sign-in')).text()
  const [css] = /\/admin\/assets\/admin-[0-9a-f]{16}\.css/.exec(html)!
  const [script] = /\/admin\/assets\/admin-[0-9a-f]{16}\.js/.exec(html)!
  for (const path of [css, script]) {
    const answer = await get(path)
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect(answer.headers.get('etag')).toContain(/-([0-9a-f]{16})/.exec(path)![1])
  }
  expect((await get('/admin/assets/admin-0000000000000000.css')).status).toBe(404)
})

test('pages are no part of the documented API', async () => {
  const document = (await (await get('/openapi.json')).json()) as { paths: object }
  const paths = Object.keys(document.paths)
  expect(paths.filter((path) => /^\/admin(?!\/(api|session))/.test(path))).toEqual([])
})

test('figures are exact, with unit and fixed decimals', () => {
  expect(['0', '12.345', '1234567.891', '-0.004', '-3.5', undefined, 'x'].map((one) => usd(one))).toEqual([
    '$0.00',
    '$12.35',
    '$1,234,567.89',
    '$0.00',
    '−$3.50',
    '–',
    '–',
  ])
  expect(usd('0.000421', 6)).toBe('$0.000421')
  expect(['0', '0.000042', '0.01', '-0.002'].map(sumUsd)).toEqual([
    '$0.00',
    '$0.000042',
    '$0.01',
    '−$0.002000',
  ])
  expect([999, 1_400, 75_000, 90_000_000].map(duration)).toEqual([
    '999 ms',
    '1.4 s',
    '1 min 15 s',
    '1 day 1 h',
  ])
  expect([shareOf('5', '20'), shareOf('5', '0')]).toEqual([0.25, undefined])
})

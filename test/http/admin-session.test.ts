import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { expect, test } from 'vitest'
import { auditRows, type DeskWorld, deskWorld, PUBLIC_URL } from '../support/desk.ts'

const PASSWORD = 'a password of ann'
const account = privateKeyToAccount(generatePrivateKey())

const worldWithAnn = async (publicUrl = PUBLIC_URL) => {
  const world = await deskWorld({ publicUrl })
  const wallet = account.address.toLowerCase()
  const login = { name: 'ann', password: await world.passwords.hash(PASSWORD), wallet }
  await world.add('user_ann', ['org_a'], { login, grants: [{ role: 'admin', at: 'org_a' }] })
  return world
}
const post = ({ app }: DeskWorld, path: string, body: unknown, headers: Record<string, string> = {}) =>
  app.request(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const codeOf = async (reply: Response) => ((await reply.json()) as { error: { code: string } }).error.code
const cookieOf = (reply: Response) => /^fb_desk=([\w-]*)/.exec(reply.headers.get('set-cookie') ?? '')?.[1]

const signIn = async (world: DeskWorld) => {
  const reply = await post(world, '/admin/session', { name: 'ann', password: PASSWORD })
  const { csrf } = (await reply.json()) as { csrf: string }
  return { cookie: `fb_desk=${cookieOf(reply)}`, csrf, reply }
}

test('signing in answers who it is, and a cookie that no script and no other site can use', async () => {
  const world = await worldWithAnn()
  const reply = await post(world, '/admin/session', { name: 'Ann', password: PASSWORD })
  expect(reply.status).toBe(200)
  expect(reply.headers.get('cache-control')).toContain('no-store')
  expect(reply.headers.get('set-cookie')).toMatch(
    /^fb_desk=[\w-]{43}; Path=\/admin; Max-Age=43200; HttpOnly; SameSite=Strict; Secure$/,
  )
  const body = (await reply.json()) as Record<string, unknown>
  expect(body).toMatchObject({ user: 'user_ann', via: 'password', grants: [{ role: 'admin', at: 'org_a' }] })
  expect(JSON.stringify(body)).not.toContain(cookieOf(reply))
  const again = await world.app.request('/admin/session', {
    headers: { cookie: `a=b; fb_desk=${cookieOf(reply)}; c=d` },
  })
  expect(await again.json()).toEqual(body)
})

test('without TLS, as on one’s own machine, the cookie is sent too', async () => {
  const world = await worldWithAnn('http://127.0.0.1:8402')
  expect((await signIn(world)).reply.headers.get('set-cookie')).not.toContain('Secure')
})

test('a wrong password, an unknown name and a malformed one are refused alike', async () => {
  const world = await worldWithAnn()
  const bodies = []
  for (const [name, password] of [
    ['ann', 'not the password'],
    ['nobody', PASSWORD],
    ['../user_ann', PASSWORD],
    ['ann ', PASSWORD],
    ['Ännn\n', PASSWORD],
  ]) {
    const reply = await post(world, '/admin/session', { name, password })
    expect([reply.status, reply.headers.get('set-cookie')]).toEqual([401, null])
    bodies.push(await reply.text())
  }
  expect(new Set(bodies).size).toBe(1)
  expect(bodies[0]).toContain('login_failed')
})

test('after five wrong tries the door is shut for a while and says for how long', async () => {
  const world = await worldWithAnn()
  for (let i = 0; i < 5; i++) await post(world, '/admin/session', { name: 'ann', password: 'wrong' })
  const shut = await post(world, '/admin/session', { name: 'ann', password: PASSWORD })
  expect([shut.status, shut.headers.get('retry-after'), await codeOf(shut)]).toEqual([
    429,
    '15',
    'login_locked',
  ])
  // Only so many are in the audit log as were tried.
  expect((await auditRows(world.records)).filter(({ what }) => what === 'sign-in.failed')).toHaveLength(5)
  world.clock.pass(15_000)
  expect((await post(world, '/admin/session', { name: 'ann', password: PASSWORD })).status).toBe(200)
})

test('a form of the pages signs in and goes on to them, or back when it was refused', async () => {
  const world = await worldWithAnn()
  const right = await post(world, '/admin/session', `name=ann&password=${encodeURIComponent(PASSWORD)}`, FORM)
  expect([right.status, right.headers.get('location')]).toEqual([303, '/admin'])
  expect(cookieOf(right)).toHaveLength(43)
  for (const body of ['name=ann&password=x', 'name=ann', '', 'message=x&signature=y']) {
    const wrong = await post(world, '/admin/session', body, FORM)
    expect([wrong.status, wrong.headers.get('set-cookie')]).toEqual([303, null])
    expect(wrong.headers.get('location')).toMatch(/^\/admin\/sign-in\?refused=\w+$/)
  }
})

const challenge = async ({ app }: DeskWorld) => {
  const reply = await app.request(`/admin/session/challenge?address=${account.address}`)
  return (await reply.json()) as { message: string; nonce: string }
}

test('a wallet signs the message of the challenge and is in, once', async () => {
  const world = await worldWithAnn()
  const { message } = await challenge(world)
  expect(message).toMatch(/^router\.example\.com wants you to sign in with your Ethereum account:\n0x/)
  const signature = await account.signMessage({ message })
  const reply = await post(world, '/admin/session', { message, signature })
  expect(await reply.json()).toMatchObject({ user: 'user_ann', via: 'wallet' })
  const again = await post(world, '/admin/session', { message, signature })
  expect([again.status, await codeOf(again)]).toEqual([401, 'sign_in_invalid'])
})

test('a wallet is let in while its user’s name is locked', async () => {
  const world = await worldWithAnn()
  for (let i = 0; i < 6; i++) await post(world, '/admin/session', { name: 'ann', password: 'wrong' })
  const { message } = await challenge(world)
  const signature = await account.signMessage({ message })
  expect((await post(world, '/admin/session', { message, signature })).status).toBe(200)
})

test.each([
  ['another address in it', (text: string) => text.replace(/0x\w{4}/, '0xdead')],
  ['another domain', (text: string) => text.replace('router.example.com wants', 'evil.example wants')],
  ['the message for another path', (text: string) => text.replaceAll('/admin/session', '/v1/account')],
  [
    'an older expiry',
    (text: string) => text.replace(/Expiration Time: .*/, 'Expiration Time: 2099-01-01T00:00:00Z'),
  ],
  ['another nonce', (text: string) => text.replace(/Nonce: .*/, `Nonce: ${'0'.repeat(56)}`)],
  ['a line more', (text: string) => `${text}\nmore`],
  ['nothing of it', () => 'hello'],
])('a signed message with %s opens nothing', async (_, change) => {
  const world = await worldWithAnn()
  const message = change((await challenge(world)).message)
  const signature = await account.signMessage({ message })
  const reply = await post(world, '/admin/session', { message, signature })
  expect([reply.status, await codeOf(reply)]).toEqual([401, 'sign_in_invalid'])
})

test('a wallet that nobody named is refused, slowed down and written down', async () => {
  const world = await worldWithAnn()
  const stranger = privateKeyToAccount(generatePrivateKey())
  const codes: string[] = []
  for (let i = 0; i < 7; i++) {
    const reply = await world.app.request(`/admin/session/challenge?address=${stranger.address}`)
    const { message } = (await reply.json()) as { message: string }
    const signature = await stranger.signMessage({ message })
    codes.push(await codeOf(await post(world, '/admin/session', { message, signature })))
  }
  expect(codes).toEqual([...Array(5).fill('login_failed'), 'login_locked', 'login_locked'])
  expect((await auditRows(world.records)).map(({ what }) => what)).toEqual(Array(5).fill('sign-in.failed'))
})

/** Where a browser says that a request comes from, whether the csrf token is with it, and what becomes of it. */
test.each<[string, Record<string, string>, 'right' | 'wrong' | 'none', number]>([
  ['our page', { origin: PUBLIC_URL, 'sec-fetch-site': 'same-origin' }, 'right', 200],
  ['a client that says nothing', {}, 'right', 200],
  [
    'our page, under the name that was asked for',
    { origin: 'http://10.0.0.5:8402', host: '10.0.0.5:8402' },
    'right',
    200,
  ],
  ['our page without the token', { origin: PUBLIC_URL, 'sec-fetch-site': 'same-origin' }, 'none', 403],
  ['our page with a token of another session', { origin: PUBLIC_URL }, 'wrong', 403],
  ['another site', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }, 'right', 403],
  ['another site, by its origin only', { origin: 'https://evil.example' }, 'right', 403],
  ['another site, by fetch metadata only', { 'sec-fetch-site': 'cross-site' }, 'right', 403],
  [
    'a neighbour under the same domain',
    { origin: 'https://other.example.com', 'sec-fetch-site': 'same-site' },
    'right',
    403,
  ],
  ['our name without TLS', { origin: 'http://router.example.com' }, 'right', 403],
  ['a name that begins as ours', { origin: `${PUBLIC_URL}.evil.example` }, 'right', 403],
  ['a sandboxed frame', { origin: 'null' }, 'right', 403],
  ['an address that was typed in', { 'sec-fetch-site': 'none' }, 'right', 403],
])('a change from %s: %s, token %s → %i', async (_, headers, token, status) => {
  const world = await worldWithAnn()
  const { cookie, csrf } = await signIn(world)
  const other = await signIn(world)
  const sent = { right: csrf, wrong: other.csrf, none: undefined }[token]
  const all = { cookie, ...headers, ...(sent !== undefined && { 'x-csrf-token': sent }) }
  for (const path of ['/admin/api/session.list', '/admin/session/end']) {
    const reply = await post(world, path, {}, all)
    expect([path, reply.status]).toEqual([path, status])
    if (status === 403) expect(await codeOf(reply)).toBe('csrf_failed')
  }
})

test('another site cannot sign a browser in as somebody else', async () => {
  const world = await worldWithAnn()
  const said = { name: 'ann', password: PASSWORD }
  const evil = { origin: 'https://evil.example' }
  expect((await post(world, '/admin/session', said, evil)).status).toBe(403)
  const form = await post(world, '/admin/session', new URLSearchParams(said).toString(), { ...FORM, ...evil })
  expect(form.headers.get('set-cookie')).toBe(null)
})

test('signing out ends the session, by JSON or by form, here or everywhere', async () => {
  const world = await worldWithAnn()
  const [one, two, three] = [await signIn(world), await signIn(world), await signIn(world)]
  const isIn = async ({ cookie }: { cookie: string }) =>
    (await world.app.request('/admin/session', { headers: { cookie } })).status === 200
  const end = (of: typeof one, body: unknown) =>
    post(world, '/admin/session/end', body, { cookie: of.cookie, 'x-csrf-token': of.csrf })
  const out = await end(one, {})
  expect([out.status, cookieOf(out)]).toEqual([200, ''])
  expect(out.headers.get('set-cookie')).toContain('Max-Age=0')
  expect([await isIn(one), await isIn(two), await isIn(three)]).toEqual([false, true, true])
  await end(two, { all: true })
  expect([await isIn(two), await isIn(three)]).toEqual([false, false])
  const bare = await signIn(world)
  const headers = { cookie: bare.cookie, 'x-csrf-token': bare.csrf }
  expect((await world.app.request('/admin/session/end', { method: 'POST', headers })).status).toBe(200)
  expect(await isIn(bare)).toBe(false)
  const four = await signIn(world)
  const without = await post(world, '/admin/session/end', '', { ...FORM, cookie: four.cookie })
  expect([without.status, await isIn(four)]).toEqual([403, true])
  const form = await post(world, '/admin/session/end', `_csrf=${four.csrf}`, { ...FORM, cookie: four.cookie })
  expect([form.status, form.headers.get('location'), await isIn(four)]).toEqual([
    303,
    '/admin/sign-in',
    false,
  ])
})

test('signing in once more makes another session out of the old one', async () => {
  const world = await worldWithAnn()
  const { cookie } = await signIn(world)
  const next = await post(world, '/admin/session', { name: 'ann', password: PASSWORD }, { cookie })
  expect(`fb_desk=${cookieOf(next)}`).not.toBe(cookie)
  expect((await world.app.request('/admin/session', { headers: { cookie } })).status).toBe(401)
})

test('a session that a browser brings along from elsewhere is not taken over', async () => {
  const world = await worldWithAnn()
  const planted = 'A'.repeat(43)
  const reply = await post(
    world,
    '/admin/session',
    { name: 'ann', password: PASSWORD },
    { cookie: `fb_desk=${planted}` },
  )
  expect(cookieOf(reply)).not.toBe(planted)
  expect(await world.sessions.find(planted)).toBe(undefined)
})

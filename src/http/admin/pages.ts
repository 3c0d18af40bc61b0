/**
 * The operator's desk as pages. Rendered here, readable without script; all they know comes from the desk's operations
 * as whoever looks may use them, and every change is a form that goes the same way.
 */
import type { Context } from 'hono'
import type { Actor } from '../../accounts/roles.ts'
import type { Reply } from '../../call/reply.ts'
import type { Clock } from '../../clock.ts'
import type { Desk } from '../../desk/desk.ts'
import type { Resource } from '../resources.ts'
import { type Env, headerOf } from '../send.ts'
import type { Guard } from './guard.ts'
import { analyticsPage } from './pages/analytics.ts'
import { approvalsPage } from './pages/approvals.ts'
import { openAssets } from './pages/assets.ts'
import { auditPage } from './pages/audit.ts'
import { callsPage } from './pages/calls.ts'
import { doing } from './pages/do.ts'
import { flashOf } from './pages/flash.ts'
import { hooksPage } from './pages/hooks.ts'
import { keysPage } from './pages/keys.ts'
import { bare, framed, type Page } from './pages/layout.ts'
import { mePage } from './pages/me.ts'
import { membersPage } from './pages/members.ts'
import { modelsPage } from './pages/models.ts'
import { nodePage } from './pages/node.ts'
import { overviewPage } from './pages/overview.ts'
import { asking, type RefusedForm, type Scene } from './pages/scene.ts'
import { page, redirect } from './pages/send.ts'
import { settlementsPage } from './pages/settlements.ts'
import { signInPage } from './pages/sign-in.ts'
import { documentOf, tags } from './pages/tags.ts'
import { treePage } from './pages/tree.ts'

/** Who is signed in, and the word that its forms must bring. */
export type Visitor = { actor: Actor; csrf: string }

export type PageFacts = {
  desk: Pick<Desk, 'run'>
  clock: Clock
  guard: Pick<Guard, 'visitor' | 'change'>
  /** The pages are reached by https, so that cookies go that way only. */
  secure: boolean
  bodyLimit: number
}

/** A page by the path it is at; `:id` is what stands in the path. */
export type Pages = Readonly<Record<string, (scene: Scene) => Promise<Page>>>

const PAGES: Pages = {
  '/admin': overviewPage,
  '/admin/calls': callsPage,
  '/admin/models': modelsPage,
  '/admin/settlements': settlementsPage,
  '/admin/tree': treePage,
  '/admin/tree/:id': nodePage,
  '/admin/keys': keysPage,
  '/admin/approvals': approvalsPage,
  '/admin/members': membersPage,
  '/admin/analytics': analyticsPage,
  '/admin/audit': auditPage,
  '/admin/hooks': hooksPage,
  '/admin/me': mePage,
}

/** Every page, the files they need, and the door that their forms go through. */
export const pageResources = (facts: PageFacts): Resource[] => {
  const { paths, resources } = openAssets()

  /** Draws a page as it is for somebody; `more`: what a form that was refused left. */
  const draw = async (visitor: Visitor, at: string, more: { cookies?: string; refused?: RefusedForm }) => {
    const url = new URL(at, 'http://here')
    const found = matching(url.pathname)
    if (!found) return undefined
    const flash = flashOf(more.cookies, visitor.csrf)
    const scene: Scene = {
      ...visitor,
      path: `${url.pathname}${url.search}`,
      query: url.searchParams,
      params: found.params,
      now: facts.clock.now(),
      ask: asking(facts.desk, visitor.actor),
      flash,
      refused: more.refused,
    }
    return { html: documentOf(framed(scene, await found.render(scene), paths)), flashed: flash !== undefined }
  }

  const looking = (path: string): Resource => ({
    method: 'get',
    path,
    summary: 'A page for operators.',
    paid: false,
    hidden: true,
    answer: async (c): Promise<Reply> => {
      const at = pathOf(c)
      const visitor = await signedIn(facts, c)
      if (!visitor) return redirect('/admin/sign-in')
      const cookies = headerOf(c, 'cookie')
      const drawn = await draw(visitor, at, cookies === undefined ? {} : { cookies })
      return drawn
        ? page(drawn.html, { unflash: drawn.flashed })
        : page(documentOf(lost(paths)), { status: 404 })
    },
  })

  return [
    ...resources,
    ...Object.keys(PAGES).map(looking),
    signInPage({ assets: paths, isIn: async (c) => (await signedIn(facts, c)) !== undefined }),
    doing({ ...facts, assets: paths, draw, isPage: (at) => matching(at.split('?')[0]!) !== undefined }),
  ]
}

// A token opens no pages: it has no session that their forms could belong to.
const signedIn = async ({ guard }: PageFacts, c: Context<Env>): Promise<Visitor | undefined> => {
  const { actor, session } = (await guard.visitor(c)) ?? {}
  return actor && session && { actor, csrf: session.csrf }
}

const pathOf = (c: Context<Env>): string => {
  const { pathname, search } = new URL(c.req.url)
  return `${pathname}${search}`
}

const matching = (path: string) => {
  const exact = Object.hasOwn(PAGES, path) ? PAGES[path] : undefined
  if (exact) return { render: exact, params: {} }
  const node = /^\/admin\/tree\/([\w-]{1,200})$/.exec(path)
  return node ? { render: nodePage, params: { id: node[1]! } } : undefined
}

const lost = (assets: Parameters<typeof bare>[1]) =>
  bare(
    'Not found',
    assets,
    tags.div(
      { class: 'card' },
      tags.h1('There is no such page'),
      tags.p(tags.a({ href: '/admin' }, 'Go to the overview')),
    ),
  )

import type { Permission } from '../../../accounts/roles.ts'
import { allowed, allowedSomewhere, type Scene } from './scene.ts'
import { type Child, type Html, tags } from './tags.ts'

const { a, body, button, dialog, div, form, h1, h2, head, header, html, input, li, link, main, meta, nav } =
  tags
const { p, path, script, span, svg, title, ul } = tags

/** Paths of the files that pages need, with their hashes in them. */
export type AssetPaths = { css: string; script: string; charts: string }

/** What a page gives its frame. */
export type Page = {
  title: string
  /** One line below the title. */
  lead?: Child
  /** Beside the title: links and choices. */
  tools?: Child
  /** Where it hangs: links above the title. */
  trail?: readonly (readonly [href: string, text: string])[]
  charts?: boolean
  /** Refreshed every so many seconds while it is looked at. */
  refresh?: number
  content: Child
}

type Place = { href: string; text: string; icon: string; needs?: Permission; site?: boolean }

const GROUPS: readonly { name: string; places: readonly Place[] }[] = [
  {
    name: 'Router',
    places: [
      {
        href: '/admin',
        text: 'Overview',
        icon: 'M2 9h4v5H2zM8 2h4v12H8zM14 6h0',
        needs: 'money.read',
        site: true,
      },
      { href: '/admin/calls', text: 'Calls', icon: 'M2 4h12M2 8h12M2 12h7', needs: 'calls.read' },
      {
        href: '/admin/models',
        text: 'Models and hosts',
        icon: 'M2 3h12v4H2zM2 9h12v4H2zM5 5h0M5 11h0',
        needs: 'calls.read',
        site: true,
      },
      {
        href: '/admin/settlements',
        text: 'Settlements',
        icon: 'M2 5h9l-2-2M14 11H5l2 2',
        needs: 'money.read',
        site: true,
      },
    ],
  },
  {
    name: 'Accounts',
    places: [
      {
        href: '/admin/tree',
        text: 'Organisations',
        icon: 'M8 2v4M3 14v-4h10v4M8 6v4M6 2h4v4H6z',
        needs: 'tree.read',
      },
      {
        href: '/admin/keys',
        text: 'Keys',
        icon: 'M9 7a3 3 0 1 0-2 2l1 1v1h1v1h1v2h3v-3z',
        needs: 'tree.read',
      },
      { href: '/admin/approvals', text: 'Approvals', icon: 'M2 8l4 4 8-8', needs: 'approval.decide' },
      {
        href: '/admin/members',
        text: 'Members',
        icon: 'M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2 14c0-3 3-4 6-4s6 1 6 4',
        needs: 'tree.read',
      },
    ],
  },
  {
    name: 'Insight',
    places: [
      { href: '/admin/analytics', text: 'Analytics', icon: 'M2 13l4-5 3 3 5-8', needs: 'analytics.read' },
      {
        href: '/admin/audit',
        text: 'Audit log',
        icon: 'M3 2h10v12H3zM6 5h4M6 8h4M6 11h2',
        needs: 'audit.read',
      },
      {
        href: '/admin/hooks',
        text: 'Webhooks',
        icon: 'M5 5a3 3 0 1 1 4 2l2 4M5 11a3 3 0 1 0 3 1h5',
        needs: 'hook.read',
      },
    ],
  },
]

const mayOpen = (scene: Scene, { needs, site }: Place): boolean =>
  needs === undefined || (site ? allowed(scene.actor, needs) : allowedSomewhere(scene.actor, needs))

const icon = (d: string): Html =>
  svg({ class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true', focusable: 'false' }, path({ d }))

const menu = (scene: Scene): Html => {
  const here = scene.path.split('?')[0]!
  const isHere = (href: string) => here === href || (href !== '/admin' && here.startsWith(`${href}/`))
  return nav(
    { id: 'menu', class: 'menu', popover: 'auto', 'aria-label': 'Main' },
    a({ class: 'brand', href: '/admin' }, mark(), span('Farebox')),
    ...GROUPS.map(({ name, places }) => {
      const open = places.filter((one) => mayOpen(scene, one))
      return (
        open.length > 0 &&
        div(
          { class: 'menu-group' },
          h2(name),
          ul(
            ...open.map((one) =>
              li(
                a(
                  { href: one.href, 'aria-current': isHere(one.href) ? 'page' : undefined },
                  icon(one.icon),
                  one.text,
                ),
              ),
            ),
          ),
        )
      )
    }),
    div(
      { class: 'menu-foot' },
      a(
        { class: 'me', href: '/admin/me', 'aria-current': isHere('/admin/me') ? 'page' : undefined },
        span({ class: 'me-name', dir: 'auto' }, scene.actor.name),
        span({ class: 'muted' }, 'Sessions and tokens'),
      ),
      div(
        { class: 'buttons' },
        button({ type: 'button', class: 'quiet', id: 'theme', hidden: true }, 'Dark theme'),
        form(
          { method: 'post', action: '/admin/session/end', class: 'inline' },
          input({ type: 'hidden', name: '_csrf', value: scene.csrf }),
          button({ type: 'submit', class: 'quiet' }, 'Sign out'),
        ),
      ),
    ),
  )
}

const mark = (): Html =>
  svg(
    { class: 'mark', viewBox: '0 0 24 24', 'aria-hidden': 'true', focusable: 'false' },
    path({ class: 'mark-box', d: 'M5 2h14a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3H5a3 3 0 0 1-3-3V5a3 3 0 0 1 3-3z' }),
    path({ class: 'mark-line', d: 'M8 17V7h8M8 12h6' }),
  )

const documentHead = (name: string, assets: AssetPaths, charts: boolean): Html =>
  head(
    meta({ charset: 'utf-8' }),
    meta({ name: 'viewport', content: 'width=device-width, initial-scale=1' }),
    meta({ name: 'color-scheme', content: 'light dark' }),
    meta({ name: 'robots', content: 'noindex' }),
    title(`${name} · Farebox`),
    link({ rel: 'icon', href: ICON }),
    link({ rel: 'stylesheet', href: assets.css }),
    // Not deferred: it sets the theme before anything is painted.
    script({ src: assets.script }),
    charts && script({ src: assets.charts, defer: true }),
  )

const ICON =
  'data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22 viewBox=%220 0 24 24%22%3E%3Crect x=%222%22 y=%222%22 width=%2220%22 height=%2220%22 rx=%224%22 fill=%22%231d5fbf%22/%3E%3Cpath d=%22M8 17V7h8M8 12h6%22 stroke=%22white%22 stroke-width=%222.4%22 fill=%22none%22/%3E%3C/svg%3E'

/** A page in its frame, for who is signed in. */
export const framed = (scene: Scene, page: Page, assets: AssetPaths): Html =>
  html(
    { lang: 'en' },
    documentHead(page.title, assets, page.charts ?? false),
    body(
      { 'data-refresh': page.refresh },
      a({ class: 'skip', href: '#main' }, 'Skip to the content'),
      menu(scene),
      header(
        { class: 'top' },
        button(
          { type: 'button', class: 'quiet', popovertarget: 'menu' },
          icon('M2 4h12M2 8h12M2 12h12'),
          'Menu',
        ),
        a({ class: 'brand', href: '/admin' }, mark(), span('Farebox')),
      ),
      main(
        { id: 'main', tabindex: -1 },
        page.trail !== undefined &&
          nav(
            { class: 'trail', 'aria-label': 'Path' },
            ...page.trail.map(([href, text]) => a({ href, dir: 'auto' }, text)),
          ),
        div(
          { class: 'page-head' },
          div(h1({ dir: 'auto' }, page.title), page.lead !== undefined && p({ class: 'lead' }, page.lead)),
          page.tools !== undefined && div({ class: 'tools' }, page.tools),
        ),
        scene.flash !== undefined &&
          p(
            { class: `flash ${scene.flash.kind}`, role: scene.flash.kind === 'bad' ? 'alert' : 'status' },
            scene.flash.text,
          ),
        page.content,
      ),
      dialog(
        { id: 'confirm', 'aria-labelledby': 'confirm-text' },
        p({ id: 'confirm-text' }),
        div(
          { class: 'buttons' },
          button({ type: 'button', class: 'danger', id: 'confirm-yes' }, 'Yes, do it'),
          button({ type: 'button', class: 'quiet', id: 'confirm-no' }, 'Cancel'),
        ),
      ),
      div({ id: 'spoken', class: 'hidden', 'aria-live': 'polite' }),
    ),
  )

/** A page for who is not signed in. */
export const bare = (name: string, assets: AssetPaths, content: Child): Html =>
  html(
    { lang: 'en' },
    documentHead(name, assets, false),
    body({ class: 'bare' }, main({ id: 'main' }, div({ class: 'brand' }, mark(), span('Farebox')), content)),
  )

/** What all pages are made of: cards, tables, tiles, badges. */
import type { Asked, Scene } from './scene.ts'
import { linkWith } from './scene.ts'
import { type Child, type Html, tags } from './tags.ts'

const { a, button, caption, div, h2, nav, p, section, span } = tags
const { table, tbody, td, th, thead, tr } = tags

export type Tone = 'good' | 'warn' | 'bad' | 'info' | 'plain'

/** A state in a word; its colour only repeats what the word says. */
export const badge = (tone: Tone, text: string): Html => span({ class: `badge ${tone}` }, text)

/** A part of a page with a heading; `id` makes it one that is refreshed while it is looked at. */
export const card = (
  about: { title: string; id?: string; action?: Child; note?: Child; wide?: boolean },
  ...children: Child[]
): Html => {
  const heading = `h-${(about.id ?? about.title).toLowerCase().replace(/[^a-z0-9]+/g, '-')}`
  return section(
    {
      class: about.wide ? 'card wide' : 'card',
      'aria-labelledby': heading,
      id: about.id,
      'data-live': about.id !== undefined,
    },
    div({ class: 'card-head' }, h2({ id: heading }, about.title), about.action),
    about.note !== undefined && p({ class: 'note' }, about.note),
    ...children,
  )
}

/** What stands where there is nothing yet: what it means, and what to do next. */
export const empty = (text: string, ...next: Child[]): Html => div({ class: 'empty' }, p(text), ...next)

/** What stands where an operation gave nothing. */
export const unavailable = (asked: Extract<Asked<unknown>, { ok: false }>): Html =>
  asked.why === 'missing'
    ? empty('Not available: this router does not keep this.')
    : asked.why === 'forbidden'
      ? empty('Your role does not allow you to see this. An owner can grant you one that does.')
      : div({ class: 'empty', role: 'alert' }, p(asked.text))

/** What the desk gave, drawn; or why it gave nothing. */
export const shown = <T>(asked: Asked<T>, draw: (value: T) => Child): Child =>
  asked.ok ? draw(asked.value) : unavailable(asked)

export type Column = { label: string; end?: boolean; hush?: boolean }

/** A table with its caption, the first cell of each row its heading; scrolls by itself where it is too wide. */
export const grid = (about: {
  caption: string
  columns: readonly Column[]
  rows: readonly (readonly Child[])[]
  none: Child
}): Child => {
  const { columns, rows } = about
  if (rows.length === 0) return about.none
  const side = (at: number) => (columns[at]?.end ? 'end' : undefined)
  return div(
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': about.caption },
    table(
      caption({ class: 'hidden' }, about.caption),
      thead(
        tr(
          ...columns.map(({ label: text, hush }, at) =>
            th({ scope: 'col', class: side(at) }, hush ? span({ class: 'hidden' }, text) : text),
          ),
        ),
      ),
      tbody(
        ...rows.map((cells) =>
          tr(
            ...cells.map((cell, at) =>
              at === 0 ? th({ scope: 'row', class: side(at) }, cell) : td({ class: side(at) }, cell),
            ),
          ),
        ),
      ),
    ),
  )
}

/** Older and newer rows, by a cursor in the query. */
export const pager = (
  scene: Scene,
  cursor: { name: string; next?: string | undefined; older?: string },
): Child => {
  const now = scene.query.get(cursor.name)
  if (!now && !cursor.next) return undefined
  return nav(
    { class: 'pager', 'aria-label': 'Pages of this list' },
    now ? a({ href: linkWith(scene, { [cursor.name]: undefined }), class: 'button' }, 'First page') : span(),
    cursor.next
      ? a(
          { href: linkWith(scene, { [cursor.name]: cursor.next }), class: 'button', rel: 'next' },
          cursor.older ?? 'Older',
        )
      : span({ class: 'muted' }, 'End of the list'),
  )
}

/** A text that can be copied by a button where there is a script. */
export const copyable = (text: string, what: string): Html =>
  span(
    { class: 'copyable' },
    tags.code(text),
    button({ type: 'button', class: 'copy', 'data-copy': text, 'aria-label': `Copy ${what}` }, 'Copy'),
  )

/** A choice of one of few, as links. */
export const choice = (
  scene: Scene,
  about: { name: string; label: string; now: string; options: readonly (readonly [string, string])[] },
): Html =>
  nav(
    { class: 'choice', 'aria-label': about.label },
    ...about.options.map(([value, text]) =>
      a(
        {
          href: linkWith(scene, { [about.name]: value, before: undefined }),
          'aria-current': value === about.now ? 'true' : undefined,
        },
        text,
      ),
    ),
  )

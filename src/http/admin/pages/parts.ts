/** What all pages are made of: cards, tables, tiles, badges, forms. */
import type { Asked, Scene } from './scene.ts'
import { linkWith } from './scene.ts'
import { type Child, type Html, tags } from './tags.ts'

const { a, button, caption, div, form, h2, input, label, nav, option, p, section, select, small, span } = tags
const { strong, table, tbody, td, textarea, th, thead, tr } = tags

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

export type Field = {
  name: string
  label: string
  hint?: string
  value?: string | undefined
  type?: string
  required?: boolean
  placeholder?: string
  options?: readonly (readonly [value: string, label: string])[]
  rows?: number
  autocomplete?: string
  inputmode?: string
  pattern?: string
  maxlength?: number
}

/** A field with its label; `form` keeps ids apart. */
export const field = (formId: string, one: Field): Html => {
  const id = `${formId}-${one.name}`.replace(/[^\w-]+/g, '_')
  const hint = one.hint === undefined ? undefined : `${id}-hint`
  const common = { id, name: one.name, 'aria-describedby': hint, required: one.required ?? false }
  const own =
    one.options !== undefined
      ? select(
          common,
          ...one.options.map(([value, text]) => option({ value, selected: value === one.value }, text)),
        )
      : one.rows !== undefined
        ? textarea({ ...common, rows: one.rows, placeholder: one.placeholder }, one.value ?? '')
        : input({
            ...common,
            type: one.type ?? 'text',
            value: one.type === 'password' ? undefined : one.value,
            placeholder: one.placeholder,
            autocomplete: one.autocomplete ?? 'off',
            inputmode: one.inputmode,
            pattern: one.pattern,
            maxlength: one.maxlength ?? (one.type === undefined ? 400 : undefined),
          })
  return div(
    { class: 'field' },
    label({ for: id }, one.label),
    own,
    hint !== undefined && small({ id: hint, class: 'muted' }, one.hint),
  )
}

export type Action = {
  operation: string
  /** Tells forms of one page apart. */
  id: string
  hidden?: Readonly<Record<string, string>>
  fields?: readonly Field[]
  submit: string
  tone?: 'primary' | 'danger' | 'quiet'
  /** What is asked before it is sent, where there is a script. */
  confirm?: string
  /** One line: only its button. */
  inline?: boolean
  /** What a screen reader hears instead of the button's word. */
  spoken?: string
  /** More than one button: each sends its value under the name of `choose`. */
  choose?: {
    name: string
    ways: readonly { value: string; submit: string; spoken: string; tone?: 'danger' }[]
  }
  /** Where to go when it is done, instead of back here. */
  onTo?: string
  children?: Child
}

/** A form that asks the desk for a change; when it was refused, says so and holds what was typed. */
export const action = (scene: Scene, one: Action): Html => {
  const refused = scene.refused?.form === one.id ? scene.refused : undefined
  const approval = refused?.approval ?? scene.query.get('approval')
  const hidden = {
    _csrf: scene.csrf,
    _back: scene.path,
    _form: one.id,
    ...(approval && { _approval: approval }),
    ...one.hidden,
  }
  return form(
    {
      method: 'post',
      action: `/admin/do/${one.operation}`,
      class: one.inline ? 'inline' : 'stack',
      'data-confirm': one.confirm,
      autocomplete: 'off',
    },
    ...Object.entries(one.onTo === undefined ? hidden : { ...hidden, _then: one.onTo }).map(([name, value]) =>
      input({ type: 'hidden', name, value }),
    ),
    refused !== undefined && p({ class: 'refused', role: 'alert' }, strong('Not done: '), refused.text),
    ...(one.fields ?? []).map((each) =>
      field(one.id, { ...each, value: refused?.values.get(each.name) ?? each.value }),
    ),
    one.children,
    div(
      { class: 'buttons' },
      ...(
        one.choose?.ways ?? [{ value: undefined, submit: one.submit, spoken: one.spoken, tone: one.tone }]
      ).map(({ value, submit, spoken, tone }) =>
        button(
          {
            type: 'submit',
            class: tone ?? 'primary',
            'aria-label': spoken,
            name: value === undefined ? undefined : one.choose?.name,
            value,
          },
          submit,
        ),
      ),
    ),
  )
}

/** Filters as a plain GET form; keeps nothing of the old query but what it shows. */
export const filters = (scene: Scene, about: { label: string; fields: readonly Field[] }): Html =>
  form(
    {
      method: 'get',
      action: scene.path.split('?')[0],
      class: 'filters',
      role: 'search',
      'aria-label': about.label,
    },
    ...about.fields.map((one) => field('filter', { ...one, value: scene.query.get(one.name) ?? one.value })),
    div(
      { class: 'buttons' },
      button({ type: 'submit', class: 'primary' }, 'Apply'),
      a({ href: scene.path.split('?')[0], class: 'button' }, 'Clear'),
    ),
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

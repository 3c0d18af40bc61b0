/** Fields and forms: those that ask for a change by the desk, and those that only filter. */
import type { Scene } from './scene.ts'
import { type Child, type Html, tags } from './tags.ts'

const { a, button, div, form, input, label, option, p, select, small, strong, textarea } = tags

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

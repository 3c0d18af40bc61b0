/** Tags of HTML as functions, over hono/jsx: what is given as text or as an attribute is escaped, and nothing else is taken. */
import { jsx } from 'hono/jsx'

export type Html = ReturnType<typeof jsx>
export type Child = Html | string | number | false | undefined | readonly Child[]
export type Attributes = { readonly [name: string]: string | number | boolean | undefined }
/** `div('text')`, `div({ class: 'row' }, p('text'))`; a `true` attribute stands alone, a `false` one is left out. */
export type Tag = (first?: Attributes | Child, ...children: Child[]) => Html

type Name =
  | `h${1 | 2 | 3}`
  | 'a'
  | 'article'
  | 'aside'
  | 'body'
  | 'button'
  | 'caption'
  | 'circle'
  | 'code'
  | 'dd'
  | 'details'
  | 'dialog'
  | 'div'
  | 'dl'
  | 'dt'
  | 'fieldset'
  | 'figcaption'
  | 'figure'
  | 'footer'
  | 'form'
  | 'head'
  | 'header'
  | 'html'
  | 'input'
  | 'label'
  | 'legend'
  | 'li'
  | 'link'
  | 'main'
  | 'meta'
  | 'nav'
  | 'ol'
  | 'option'
  | 'p'
  | 'path'
  | 'rect'
  | 'script'
  | 'section'
  | 'select'
  | 'small'
  | 'span'
  | 'strong'
  | 'summary'
  | 'svg'
  | 'table'
  | 'tbody'
  | 'td'
  | 'textarea'
  | 'th'
  | 'thead'
  | 'time'
  | 'title'
  | 'tr'
  | 'ul'

/** Every tag the pages use. */
export const tags = new Proxy({} as Readonly<Record<Name, Tag>>, {
  get:
    (_, name: string): Tag =>
    (first, ...children) => {
      const own = isAttributes(first)
      const inner = own ? children : [first, ...children]
      return jsx(name, own ? cleaned(first) : {}, ...(inner as string[]))
    },
})

/** A whole document, as it is sent. */
export const documentOf = (root: Html): string => `<!doctype html>${root.toString()}`

const isAttributes = (value: unknown): value is Attributes =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.getPrototypeOf(value) === Object.prototype

const cleaned = (given: Attributes): Record<string, string | number> =>
  Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => {
      if (value === undefined || value === false) return []
      return [[name, value === true ? '' : value]]
    }),
  )

/** Curves and bars. All of it is drawn by attributes, since no style may stand in the pages; what script draws has its table beside it. */
import { type Child, type Html, tags } from './tags.ts'

const { caption, circle, div, figcaption, figure, path, rect, span, svg, table, tbody, td, th, thead, tr } =
  tags

const WIDE = 120
const HIGH = 32

/** A small curve without axes; says nothing to screen readers, since its tile does. */
export const sparkline = (values: readonly number[], tone = 'accent'): Child => {
  if (values.length < 2) return undefined
  const low = Math.min(...values, 0)
  const span_ = Math.max(...values) - low || 1
  const x = (at: number) => round((at / (values.length - 1)) * (WIDE - 4) + 2)
  const y = (value: number) => round(HIGH - 3 - ((value - low) / span_) * (HIGH - 6))
  const line = values.map((value, at) => `${at === 0 ? 'M' : 'L'}${x(at)} ${y(value)}`).join('')
  return svg(
    {
      class: `spark ${tone}`,
      viewBox: `0 0 ${WIDE} ${HIGH}`,
      preserveAspectRatio: 'none',
      'aria-hidden': 'true',
      focusable: 'false',
    },
    path({ class: 'area', d: `${line}L${x(values.length - 1)} ${HIGH}L${x(0)} ${HIGH}Z` }),
    path({ class: 'line', d: line }),
  )
}

const round = (value: number): number => Math.round(value * 10) / 10

/** What of a whole is used: posted, then held, both as shares of 1. `spoken` says it in words. */
export const meter = (shares: { posted: number; held?: number; tone: string; spoken: string }): Html => {
  const posted = clamp(shares.posted) * 100
  const held = Math.min(clamp(shares.held ?? 0) * 100, 100 - posted)
  return svg(
    {
      class: `meter ${shares.tone}`,
      viewBox: '0 0 100 8',
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': shares.spoken,
    },
    rect({ class: 'track', x: 0, y: 0, width: 100, height: 8 }),
    rect({ class: 'posted', x: 0, y: 0, width: round(posted), height: 8 }),
    held > 0 && rect({ class: 'held', x: round(posted), y: 0, width: round(held), height: 8 }),
  )
}

const clamp = (share: number): number => Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0))

/** A bar whose length compares rows of one table. */
export const bar = (share: number): Html =>
  svg(
    { class: 'bar', viewBox: '0 0 100 8', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    rect({ x: 0, y: 0, width: round(clamp(share) * 100), height: 8 }),
  )

/** A dot for a state. */
export const dot = (tone: string): Html =>
  svg({ class: `dot ${tone}`, viewBox: '0 0 8 8', 'aria-hidden': 'true' }, circle({ cx: 4, cy: 4, r: 4 }))

export type Series = { label: string; values: readonly number[]; printed: readonly string[] }

/** A chart over time: drawn by the script from `data-chart`, and the same as a table. `times` in ms; `unit` is "$" or "". */
export const chart = (about: {
  title: string
  times: readonly number[]
  labels: readonly string[]
  series: readonly Series[]
  unit: string
  tall?: boolean
}): Html => {
  const drawn = {
    unit: about.unit,
    times: about.times.map((ms) => Math.round(ms / 1_000)),
    series: about.series.map(({ label, values }) => ({ label, values })),
  }
  return figure(
    { class: 'chart' },
    figcaption(
      { class: 'legend' },
      ...about.series.map((one, at) => span({ class: `key s${at}` }, one.label)),
      span({ class: 'hidden' }, `${about.title}; the same as a table follows.`),
    ),
    div({
      class: about.tall ? 'plot tall' : 'plot',
      'data-chart': JSON.stringify(drawn),
      'aria-hidden': 'true',
    }),
    div(
      { class: 'chart-table', tabindex: 0, role: 'region', 'aria-label': about.title },
      table(
        caption(about.title),
        thead(
          tr(
            th({ scope: 'col' }, 'When (UTC)'),
            ...about.series.map((one) => th({ scope: 'col', class: 'end' }, one.label)),
          ),
        ),
        tbody(
          ...about.labels.map((text, row) =>
            tr(
              th({ scope: 'row' }, text),
              ...about.series.map((one) => td({ class: 'end' }, one.printed[row])),
            ),
          ),
        ),
      ),
    ),
  )
}

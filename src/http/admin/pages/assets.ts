import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Resource } from '../../resources.ts'
import type { AssetPaths } from './layout.ts'

/** The files that pages need, each under a name that changes with what is in it, so that browsers keep it for ever. */
export const openAssets = (): { paths: AssetPaths; resources: Resource[] } => {
  const own = (name: string) => readFileSync(join(import.meta.dirname, '../assets', name), 'utf8')
  const uplot = createRequire(import.meta.url).resolve('uplot/dist/uPlot.iife.min.js')
  const sheet = readFileSync(uplot.replace('uPlot.iife.min.js', 'uPlot.min.css'), 'utf8')
  const files = {
    css: file('admin', 'css', `${sheet}\n${own('admin.css')}`),
    script: file('admin', 'js', own('admin.js')),
    charts: file('uplot', 'js', readFileSync(uplot, 'utf8')),
  }
  return {
    paths: { css: files.css.path, script: files.script.path, charts: files.charts.path },
    resources: Object.values(files).map(served),
  }
}

type File = { path: string; type: string; body: string; tag: string }

const TYPES = { css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8' } as const

const file = (name: string, kind: keyof typeof TYPES, body: string): File => {
  const tag = hash('sha256', body, 'hex').slice(0, 16)
  return { path: `/admin/assets/${name}-${tag}.${kind}`, type: TYPES[kind], body, tag: `"${tag}"` }
}

const served = ({ path, type, body, tag }: File): Resource => ({
  method: 'get',
  path,
  summary: 'A file of the pages for operators.',
  paid: false,
  hidden: true,
  counts: 'free',
  answer: async () => ({
    status: 200,
    headers: {
      'content-type': type,
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
      etag: tag,
    },
    body,
  }),
})

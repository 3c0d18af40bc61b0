// What the pages do beyond HTML: the theme, refreshing, charts, copying, asking before harm. Without it all else works.
;(() => {
  const root = document.documentElement
  const stored = localStorage.getItem('farebox-theme')
  if (stored === 'light' || stored === 'dark') root.dataset.theme = stored
  root.classList.add('script')

  const isDark = () =>
    root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
  const say = (text) => {
    const spoken = document.getElementById('spoken')
    if (spoken) spoken.textContent = text
  }

  const theme = () => {
    const button = document.getElementById('theme')
    if (!button) return
    const name = () => {
      button.textContent = isDark() ? 'Light theme' : 'Dark theme'
    }
    button.hidden = false
    name()
    button.addEventListener('click', () => {
      root.dataset.theme = isDark() ? 'light' : 'dark'
      localStorage.setItem('farebox-theme', root.dataset.theme)
      name()
      charts()
    })
  }

  const copying = () =>
    document.addEventListener('click', async (event) => {
      const button = event.target.closest?.('[data-copy]')
      if (!button) return
      try {
        await navigator.clipboard.writeText(button.dataset.copy)
        button.textContent = 'Copied'
        say('Copied')
      } catch {
        getSelection().selectAllChildren(button.previousElementSibling)
        say('Selected: copy it with the keyboard')
      }
    })

  const confirming = () => {
    const dialog = document.getElementById('confirm')
    if (!dialog) return
    let waiting
    document.addEventListener('submit', (event) => {
      const form = event.target
      if (!form.dataset.confirm || form === waiting) return
      event.preventDefault()
      waiting = form
      document.getElementById('confirm-text').textContent = form.dataset.confirm
      dialog.showModal()
    })
    document.getElementById('confirm-yes').addEventListener('click', () => {
      dialog.close()
      waiting.requestSubmit()
    })
    document.getElementById('confirm-no').addEventListener('click', () => dialog.close())
    dialog.addEventListener('close', () => setTimeout(() => (waiting = undefined)))
  }

  // Parts that carry `data-live` are taken from a fresh copy of the page, unless somebody is in them.
  const refreshing = () => {
    const seconds = Number(document.body.dataset.refresh)
    if (!(seconds > 0)) return
    setInterval(async () => {
      if (document.hidden || document.querySelector('dialog[open]')) return
      try {
        const answer = await fetch(location.href, { headers: { accept: 'text/html' }, redirect: 'manual' })
        if (!answer.ok) return
        const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html')
        for (const part of document.querySelectorAll('[data-live]')) {
          const next = fresh.getElementById(part.id)
          if (!next || part.contains(document.activeElement) || part.querySelector('.plot')) continue
          if (part.innerHTML !== next.innerHTML) part.replaceChildren(...next.childNodes)
        }
      } catch {
        // The next one may come through.
      }
    }, seconds * 1000)
  }

  const plots = new Map()
  const charts = () => {
    if (!window.uPlot) return
    const style = getComputedStyle(root)
    const probe = document.createElement('i')
    document.body.append(probe)
    const colour = (name) => {
      probe.style.color = `var(${name})`
      return getComputedStyle(probe).color
    }
    const [line, text, ...inks] = ['--line', '--muted', '--accent', '--second', '--muted'].map(colour)
    probe.remove()
    for (const at of document.querySelectorAll('[data-chart]')) {
      plots.get(at)?.destroy()
      plots.set(at, draw(at, { line, text, inks, font: `12px ${style.fontFamily}` }))
    }
  }

  const draw = (at, { line, text, inks, font }) => {
    const { unit, times, series } = JSON.parse(at.dataset.chart)
    const isSmall = Math.max(...series.flatMap(({ values }) => values.map(Math.abs))) < 0.1
    const digits = (value, most = unit === '' ? 0 : isSmall ? 6 : 2) => {
      const body = Math.abs(value).toLocaleString('en-US', {
        minimumFractionDigits: most,
        maximumFractionDigits: most,
      })
      return value < 0 ? `−${unit}${body}` : unit + body
    }
    const axis = { stroke: text, font, grid: { stroke: line, width: 1 }, ticks: { show: false } }
    const step = times.length > 1 ? times[1] - times[0] : 86400
    const label = (at) => new Date(at * 1000).toISOString()
    const tick = (at, splits) =>
      splits.length > 1 && splits[1] - splits[0] < 86400 && at % 86400 !== 0
        ? label(at).slice(11, 16)
        : new Date(at * 1000).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })
    const legend = at.closest('figure').querySelector('.legend')
    const tip = legend.querySelector('.tip') ?? document.createElement('span')
    tip.className = 'tip'
    tip.setAttribute('aria-hidden', 'true')
    if (!tip.isConnected) legend.insertBefore(tip, legend.querySelector('button'))
    const tell = (plot) => {
      const { idx } = plot.cursor
      if (idx === null || idx === undefined) {
        tip.textContent = ''
        return
      }
      const when = label(times[idx])
        .slice(0, step < 86400 ? 16 : 10)
        .replace('T', ' ')
      tip.textContent = `${when} UTC · ${series.map((one) => `${one.label} ${digits(one.values[idx])}`).join(' · ')}`
    }
    return new window.uPlot(
      {
        width: Math.max(at.clientWidth, 200),
        height: at.clientHeight,
        legend: { show: false },
        padding: [12, 8, 0, 0],
        tzDate: (at) => window.uPlot.tzDate(new Date(at * 1000), 'Etc/UTC'),
        cursor: { y: false, points: { size: 6 } },
        hooks: { setCursor: [tell] },
        scales: { y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.1 : 1] } },
        axes: [
          {
            ...axis,
            grid: { show: false },
            size: 24,
            space: 72,
            values: (_, splits) => splits.map((one) => tick(one, splits)),
          },
          {
            ...axis,
            size: isSmall && unit !== '' ? 80 : 64,
            space: 40,
            values: (_, splits) =>
              splits.map((one) => digits(one, splits.every(Number.isInteger) ? 0 : undefined)),
          },
        ],
        series: [
          {},
          ...series.map((one, at) => ({
            label: one.label,
            stroke: inks[at % inks.length],
            width: 2,
            fill: at === 0 ? inks[0].replace('rgb(', 'rgba(').replace(')', ', 0.1)') : undefined,
            points: { show: times.length < 3 },
          })),
        ],
      },
      [times, ...series.map((one) => one.values)],
      at,
    )
  }

  const tables = () => {
    for (const figure of document.querySelectorAll('figure.chart')) {
      const button = document.createElement('button')
      const table = figure.querySelector('.chart-table')
      const name = () => {
        button.textContent = table.classList.contains('open') ? 'Hide table' : 'Show table'
      }
      button.type = 'button'
      button.className = 'quiet'
      button.addEventListener('click', () => {
        table.classList.toggle('open')
        name()
      })
      name()
      figure.querySelector('.legend').append(button)
    }
  }

  const resizing = () => {
    let timer
    addEventListener('resize', () => {
      clearTimeout(timer)
      timer = setTimeout(() => {
        for (const [at, plot] of plots)
          plot.setSize({ width: Math.max(at.clientWidth, 200), height: at.clientHeight })
      }, 100)
    })
  }

  // The wallet signs the text that the router gave.
  const wallet = () => {
    const form = document.getElementById('wallet')
    if (!form) return
    const problem = document.getElementById('wallet-problem')
    const tell = (text) => {
      problem.textContent = text
      problem.hidden = text === ''
    }
    form.hidden = false
    form.addEventListener('submit', async (event) => {
      event.preventDefault()
      tell('')
      if (!window.ethereum) return tell('This browser has no wallet. Sign in with your password instead.')
      try {
        const [address] = await window.ethereum.request({ method: 'eth_requestAccounts' })
        const asked = await fetch(`/admin/session/challenge?address=${address}`)
        const { message } = await asked.json()
        if (!asked.ok || !message) return tell('The router gave nothing to sign. Try again in a moment.')
        const signature = await window.ethereum.request({
          method: 'personal_sign',
          params: [message, address],
        })
        // Not as a form: that would change the line breaks of what was signed.
        const done = await fetch('/admin/session', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ message, signature }),
        })
        if (done.ok) return location.assign('/admin')
        const { error } = await done.json()
        tell(`${error?.message ?? 'The router refused it.'} ${error?.hint ?? ''}`)
      } catch (error) {
        tell(error?.code === 4001 ? 'The wallet did not sign.' : 'The wallet could not sign.')
      }
    })
  }

  document.addEventListener('DOMContentLoaded', () => {
    for (const begin of [theme, copying, confirming, refreshing, tables, charts, resizing, wallet]) begin()
  })
})()

import { seconds } from '../clock.ts'
import { answerOf, type Response } from './gemini/answer.ts'
import { embedBodies, embeddingsOf } from './gemini/embed.ts'
import { classify, eventFault, waitIn } from './gemini/fault.ts'
import { abilitiesOf } from './gemini/models.ts'
import { contentBody } from './gemini/request.ts'
import { chunksOf } from './gemini/stream.ts'
import { openHost, parseObject, pathUnder, type SpokenFacts } from './http-host.ts'
import type { Provider } from './provider.ts'

/** `baseUrl` is such as https://generativelanguage.googleapis.com/v1beta. */
export type GeminiFacts = SpokenFacts

/** Google's own API: POST models/…:generateContent, and as a stream. */
export const geminiProvider = (facts: GeminiFacts): Provider => {
  const host = openHost({
    ...facts,
    headers: facts.key === undefined ? {} : { 'x-goog-api-key': facts.key },
    classify,
    wait: waitIn,
  })
  const pathOf = (model: string, method: string): string =>
    pathUnder(facts.baseUrl, `/${encodeURI(nameOf(model))}:${method}`)

  return {
    id: facts.id,
    lacks: (model) => abilitiesOf(model).lacks,
    ask: async (ask) => {
      const { body, model, signal, trace } = ask
      const created = seconds(facts.clock.now())
      const asked = { body: JSON.stringify(contentBody(ask, abilitiesOf(model))), signal, trace }
      if (body.stream) {
        const events = await host.events({ ...asked, path: pathOf(model, 'streamGenerateContent?alt=sse') })
        return { kind: 'stream', events: chunksOf(events, { created, choices: body.n ?? 1 }) }
      }
      const text = await host.whole({ ...asked, path: pathOf(model, 'generateContent') })
      const answer = answerOf(parseObject(text) as Response, created)
      return { kind: 'json', text: JSON.stringify(answer), body: answer }
    },
    embed: async (ask) => {
      const { signal, trace } = ask
      const path = pathOf(ask.model, 'batchEmbedContents')
      const batches: object[] = []
      for (const body of embedBodies(ask, nameOf(ask.model))) {
        const batch = parseObject(await host.whole({ path, body: JSON.stringify(body), signal, trace }))
        if (batch.error) throw eventFault(batch)
        batches.push(batch)
      }
      const answer = embeddingsOf(batches, ask)
      return { kind: 'json', text: JSON.stringify(answer), body: answer }
    },
    close: host.close,
  }
}

/** A model's name with its collection: `models/` where it has none, such as tunedModels/mine. */
const nameOf = (model: string): string => (model.includes('/') ? model : `models/${model}`)

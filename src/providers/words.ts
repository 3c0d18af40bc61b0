/** One pattern of several; letters of either case are the same. */
export const anyOf = (...ways: RegExp[]): RegExp =>
  new RegExp(ways.map(({ source }) => source).join('|'), 'i')

/** That a request is longer than the context, as servers say it that have no code for it. */
// biome-ignore format: a row is a way to say it.
export const TOO_LONG_TEXT = anyOf(
  /context (length|window|size)|max(imum)?[_ ](context|input|prompt|model|seq(uence)?)[_ ]len(gth)?|too many (input )?tokens|token limit|token length too long/,
  /(prompt|input|request) (is )?too long|range of input length|prompt exceeds max|exceeds? (the )?max(imum)? (allowed )?(content )?length/,
  /exceeds? (the (model's )?)?(maximum|max)[\w ]* tokens|input tokens? (count )?exceed|prompt token count .*exceeds/,
  // Text Generation Inference, and Together after it.
  /`?inputs`? (tokens \+ `?max_new_tokens`? must be|must have less than)/,
)

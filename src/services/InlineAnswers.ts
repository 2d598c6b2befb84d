/**
 * Answers that need no waiting, given straight from the transport's callback.
 *
 * Only for exchanges marked `inline`. A node without this layer answers them through the handler, with the same bytes.
 */
import * as Context from "effect/Context"
import type { Request, Response } from "../protocol/Exchange.ts"
import type { Encoded } from "../protocol/wire/Encoded.ts"

/** The encoded answer, or `undefined` to leave the request to the handler. Must not throw or wait. */
export type InlineAnswer = (request: Request) => Encoded<Response> | undefined

export const InlineAnswers = Context.Reference<InlineAnswer>("timenode/services/InlineAnswers", {
  defaultValue: () => () => undefined
})

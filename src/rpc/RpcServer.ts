/**
 * The HTTP side of JSON-RPC: `POST /`, answered with status 200 whatever became of the call, as `timed` does.
 *
 * What is no call at all is refused by status and one line of text, before its body is read.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import type * as HttpServer from "effect/http/HttpServer"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { RPC_BODY, RPC_TIMEOUT } from "../protocol/Limits.ts"
import { type Refusal, refusal } from "./Admission.ts"
import { dispatch, type MethodServices } from "./Dispatch.ts"

/** The JSON-RPC routes, for a router that has others as well. */
export const routes: Layer.Layer<never, never, HttpRouter.HttpRouter | MethodServices> = Layer.effectDiscard(
  Effect.gen(function* () {
    const router = yield* HttpRouter.HttpRouter
    const services = yield* Effect.context<MethodServices>()
    yield* router.add("*", "*", (request) => Effect.provideContext(answer(request), services))
  })
)

/** Serves JSON-RPC, and nothing else, on the HTTP server it is given. */
export const layer: Layer.Layer<never, never, HttpServer.HttpServer | MethodServices> = HttpRouter.serve(routes, {
  disableLogger: true,
  disableListenLog: true
})

// --- internal ---

const answer = Effect.fnUntraced(function* (request: HttpServerRequest) {
  const refused = refusal({ method: request.method, path: request.url, headers: request.headers })
  if (refused !== undefined) return refuse(refused)
  const body = yield* readText(request)
  if (typeof body !== "string") return refuse(body)
  const answers = yield* dispatch(body)
  return answers === undefined
    ? HttpServerResponse.empty({ status: 204 })
    : HttpServerResponse.text(answers, { contentType: "application/json" })
})

/** The body, or why there is none. */
const readText = (request: HttpServerRequest): Effect.Effect<string | Refusal> =>
  Number(request.headers["content-length"] ?? 0) > RPC_BODY
    ? Effect.succeed(tooLarge)
    : request.text.pipe(
        Effect.provideService(MaxBodySize, BigInt(RPC_BODY)),
        Effect.timeoutOrElse({ duration: RPC_TIMEOUT, orElse: () => Effect.succeed(tooSlow) }),
        Effect.catchTag("HttpServerError", ({ reason }) =>
          Effect.succeed(
            reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge" ? tooLarge : unreadable
          )
        )
      )

const tooLarge: Refusal = { status: 413, message: `Content too large: at most ${RPC_BODY} bytes` }
const tooSlow: Refusal = { status: 408, message: "Request timeout: the body did not come in time" }
const unreadable: Refusal = { status: 400, message: "Bad request: the body could not be read" }

/** The connection is closed, because what is left of the body is not read. */
const refuse = ({ message, status }: Refusal) =>
  HttpServerResponse.text(`${message}\n`, {
    status,
    headers: status === 405 ? { connection: "close", allow: "POST" } : { connection: "close" }
  })

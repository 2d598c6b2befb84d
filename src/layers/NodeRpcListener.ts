/**
 * The HTTP server that JSON-RPC listens on, over node:http: bounded in connections and in time, and closed for certain.
 */
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as HttpServer from "effect/http/HttpServer"
import * as Limits from "../protocol/Limits.ts"
import * as AcceptErrors from "./AcceptErrors.ts"

/** The address cannot be listened on. A retry helps once whoever holds it has gone. */
export class RpcListenError extends Schema.TaggedError<RpcListenError>()("RpcListenError", {
  host: Schema.String,
  port: Schema.Number,
  reason: Schema.Literals(["AddressInUse", "AddressNotAvailable", "Failed"]),
  detail: Schema.String
}) {
  override get message(): string {
    const address = `${this.host}:${this.port}`
    switch (this.reason) {
      case "AddressInUse":
        return `${address} is in use by another program`
      case "AddressNotAvailable":
        return `${address} is no address of this machine`
      case "Failed":
        return `${address} cannot be listened on: ${this.detail}`
    }
  }
}

/** Listens on an IP address; port 0 lets the system choose. When the scope ends, open answers get a short time to finish. */
export const layer = (address: {
  readonly host: string
  readonly port: number
}): Layer.Layer<HttpServer.HttpServer, RpcListenError> =>
  Layer.effect(
    HttpServer.HttpServer,
    Effect.gen(function* () {
      const server = createServer({
        headersTimeout: Limits.RPC_TIMEOUT,
        requestTimeout: Limits.RPC_TIMEOUT,
        connectionsCheckingInterval: 1_000
      })
      server.maxConnections = Limits.RPC_CONNECTIONS
      const http = yield* NodeHttpServer.make(() => server, {
        ...address,
        gracefulShutdownTimeout: Limits.RPC_SHUTDOWN
      }).pipe(Effect.mapError(({ cause }) => listenError(address, cause)))
      yield* AcceptErrors.survive(server, "JSON-RPC connections")
      // Closing a server waits for its connections, and a client may hold one open for as long as it likes.
      yield* Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
      return http
    })
  )

// --- internal ---

const listenError = (address: { readonly host: string; readonly port: number }, cause: unknown): RpcListenError => {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined
  const reason = code === "EADDRINUSE" ? "AddressInUse" : code === "EADDRNOTAVAIL" ? "AddressNotAvailable" : "Failed"
  return new RpcListenError({ ...address, reason, detail: cause instanceof Error ? cause.message : String(cause) })
}

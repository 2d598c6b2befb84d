/**
 * Methods about the running program.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { NodeLifecycle } from "../../services/NodeLifecycle.ts"
import { defineMethod } from "../Method.ts"

export const uptime = defineMethod({
  name: "uptime",
  summary: "For how many seconds the node has been running.",
  params: {},
  result: Schema.Int,
  errors: [],
  run: () =>
    Effect.flatMap(NodeLifecycle, (node) => Effect.map(node.uptime, (time) => Math.floor(Duration.toSeconds(time))))
})

export const stop = defineMethod({
  name: "stop",
  summary: "Stops the node once everything is stored.",
  params: {},
  result: Schema.String,
  errors: [],
  run: () => Effect.flatMap(NodeLifecycle, (node) => Effect.as(node.requestStop, "TIME Coin server stopping"))
})

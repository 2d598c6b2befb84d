/**
 * How long the node has run, and the wish that it stop.
 *
 * Stopping is only asked for here. Whoever started the node waits for the wish and then closes its scope, so that a stop
 * by RPC ends exactly as a stop by signal does.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"

export class NodeLifecycle extends Context.Service<
  NodeLifecycle,
  {
    /** Time since the start. Setting the machine's clock does not change it. */
    readonly uptime: Effect.Effect<Duration.Duration>
    /** Asks the node to stop, and waits for nothing. */
    readonly requestStop: Effect.Effect<void>
    /** Waits until somebody has asked. */
    readonly stopRequested: Effect.Effect<void>
  }
>()("timenode/services/NodeLifecycle") {
  /** The node's life begins when the layer is built. */
  static readonly layer: Layer.Layer<NodeLifecycle> = Layer.effect(
    NodeLifecycle,
    Effect.gen(function* () {
      const startedAt = yield* Clock.monotonicTimeNanos
      const stopping = yield* Latch.make()
      return NodeLifecycle.of({
        uptime: Effect.map(Clock.monotonicTimeNanos, (now) => Duration.nanos(now - startedAt)),
        requestStop: Effect.asVoid(stopping.open),
        stopRequested: stopping.await
      })
    })
  )

  /** A node that has just started and never stops, except as overridden. */
  static readonly layerTest = (overrides: Partial<NodeLifecycle["Service"]> = {}): Layer.Layer<NodeLifecycle> =>
    Layer.succeed(
      NodeLifecycle,
      NodeLifecycle.of({
        uptime: Effect.succeed(Duration.zero),
        requestStop: Effect.void,
        stopRequested: Effect.never,
        ...overrides
      })
    )
}

/**
 * What the chain tells its subscribers: every change in order. A slow subscriber loses the oldest ones and is told how many,
 * so that it holds up nobody.
 */
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import * as Limits from "../protocol/Limits.ts"
import type { ChainEvent } from "../services/Blockchain.ts"

export const make = Effect.gen(function* () {
  const hub = yield* Effect.acquireRelease(PubSub.sliding<Published>(Limits.CHAIN_EVENTS), PubSub.shutdown)
  let published = 0

  const publish = (events: ReadonlyArray<ChainEvent>) =>
    PubSub.publishAll(
      hub,
      events.map((event): Published => ({ sequence: published++, event }))
    )

  /** From the moment of subscribing on. */
  const changes = Stream.unwrap(
    Effect.gen(function* () {
      const subscription = yield* PubSub.subscribe(hub)
      const first = published
      return Stream.fromSubscription(subscription).pipe(Stream.mapAccum(() => first, withLag))
    })
  )

  return { publish, changes }
})

// --- internal ---

interface Published {
  readonly sequence: number
  readonly event: ChainEvent
}

/** Says how many events are missing before the one that has come, if any are. */
const withLag = (expected: number, { event, sequence }: Published): readonly [number, ReadonlyArray<ChainEvent>] => [
  sequence + 1,
  sequence > expected ? [{ _tag: "Lagged", missed: sequence - expected }, event] : [event]
]

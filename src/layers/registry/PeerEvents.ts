/**
 * Connections as they come and go, for any number of subscribers. One that is slow loses its oldest events, is told how
 * many, and delays nobody.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as Limits from "../../protocol/Limits.ts"
import type { PeerEvent } from "../../services/PeerRegistry.ts"

interface Numbered {
  readonly number: number
  readonly event: PeerEvent
}

export class PeerEvents {
  private readonly subscribers = new Set<Queue.Queue<Numbered, Cause.Done>>()
  private published = 0

  publish(event: PeerEvent): void {
    const numbered = { number: ++this.published, event }
    for (const subscriber of this.subscribers) Queue.offerUnsafe(subscriber, numbered)
  }

  /** Nothing more comes. */
  end(): void {
    for (const subscriber of this.subscribers) Queue.endUnsafe(subscriber)
  }

  /** Events from the time of the subscription on. */
  readonly stream: Stream.Stream<PeerEvent> = Stream.unwrap(
    Effect.gen({ self: this }, function* () {
      const subscriber = yield* Effect.acquireRelease(
        Effect.tap(Queue.sliding<Numbered, Cause.Done>(Limits.PEER_EVENTS), (queue) =>
          Effect.sync(() => this.subscribers.add(queue))
        ),
        (queue) => Effect.sync(() => this.subscribers.delete(queue))
      )
      const begin = this.published
      return Stream.fromQueue(subscriber).pipe(
        Stream.mapAccum(
          () => begin,
          (last, { number, event }): readonly [number, ReadonlyArray<PeerEvent>] => {
            const missed = number - last - 1
            return [number, missed > 0 ? [{ _tag: "Lagged", missed }, event] : [event]]
          }
        )
      )
    })
  )
}

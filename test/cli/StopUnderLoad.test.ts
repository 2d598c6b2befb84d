/**
 * A node stops in time whatever its peers are doing.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { BadPeers } from "../support/hostile/BadPeers.ts"
import { join, sourceAddress } from "../support/hostile/RawPeer.ts"
import { loopbackNet } from "../support/loopback.ts"
import { ended, scratch, startTimenode } from "../support/timenode.ts"

const octets = Effect.map(loopbackNet, (net) => net.ip(1).split(".").slice(0, 3).join("."))

/** Twenty peers each that ask as fast as they are answered. */
const FLOODS = 5

describe("timenode start, under full load", () => {
  it.live("stops within 5 s of SIGTERM, with exit code 0", () =>
    Effect.gen(function* () {
      const net = yield* loopbackNet
      const args = ["start", "--no-discovery", "--listen", `${net.ip(1)}:0`, "--rpc-listen", `${net.ip(1)}:0`]
      const child = yield* startTimenode(yield* scratch, [...args, "--log-level", "error"])
      const stopped = yield* Effect.forkChild(ended(child), { startImmediately: true })
      const target = yield* Effect.callback<{ readonly host: string; readonly port: number }>((resume) => {
        child.stdout.once("data", (data: Buffer) => {
          const port = Number(/p2p=[\d.]+:(\d+)/.exec(data.toString())?.[1])
          resume(Effect.succeed({ host: net.ip(1), port }))
        })
      })
      for (let flood = 0; flood < FLOODS; flood++) {
        const from = yield* octets
        const peers = yield* Effect.acquireRelease(
          Effect.promise(() => BadPeers.connect(target, from, "flood")),
          (peers) => Effect.sync(() => peers.close())
        )
        assert.strictEqual(peers.fate.joined, 20)
      }
      // And twenty for whom as much waits as may, which they never take.
      const from = yield* octets
      for (let index = 0; index < 20; index++) {
        const socket = yield* Effect.promise(() => join(target, sourceAddress(from, index)))
        socket.pause()
        socket.write(`{"Ping":{"nonce":1,"timestamp":1765900000}}\n`.repeat(100_000))
        yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
      }
      yield* Effect.sleep("500 millis")
      const askedAt = performance.now()
      child.kill("SIGTERM")
      const { code, stderr } = yield* Fiber.join(stopped)
      assert.strictEqual(code, 0, stderr)
      assert.isBelow(performance.now() - askedAt, 5_000)
    }).pipe(Effect.scoped)
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import type { ChildProcessWithoutNullStreams } from "node:child_process"
import { connect } from "node:net"
import { join } from "node:path"
import { type LoopbackNet, loopbackNet } from "../support/loopback.ts"
import { ended, scratch, startTimenode, timenode } from "../support/timenode.ts"

const nodeArgs = (net: LoopbackNet): ReadonlyArray<string> => [
  "start",
  "--no-discovery",
  "--listen",
  `${net.ip(1)}:0`,
  "--rpc-listen",
  `${net.ip(1)}:0`
]

const READY = /^ready network=testnet height=0 p2p=(127\.[\d.]+):(\d+) rpc=(127\.[\d.]+:\d+)\n$/

/** Waits for the first line on standard output. */
const ready = (child: ChildProcessWithoutNullStreams) =>
  Effect.callback<{ readonly p2pPort: number; readonly rpc: string }>((resume) => {
    child.stdout.once("data", (data: Buffer) => {
      const [, , port, rpc] = READY.exec(data.toString()) ?? assert.fail(data.toString())
      resume(Effect.succeed({ p2pPort: Number(port), rpc: `http://${rpc}` }))
    })
  })

const call = (url: string, method: string, ...params: ReadonlyArray<unknown>) =>
  Effect.promise(async () => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params })
    })
    return ((await response.json()) as { readonly result: unknown }).result
  })

describe("timenode start", { concurrent: true }, () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it.live(`serves until ${signal}, logs as it was told, and keeps its data directory to itself`, () =>
      Effect.gen(function* () {
        const home = yield* scratch
        const net = yield* loopbackNet
        const child = yield* startTimenode(home, nodeArgs(net), { TIME_LOG_FORMAT: "json", TIME_NETWRK: "x" })
        const stopped = yield* Effect.forkChild(ended(child), { startImmediately: true })
        const { p2pPort, rpc } = yield* ready(child)
        assert.strictEqual(yield* call(rpc, "getblockcount"), 0)

        const second = yield* timenode(home, ["chain", "info"])
        assert.match(second.stderr, /^timenode: .*testnet is in use by another process; .*\n$/)
        assert.strictEqual(second.code, 5)

        // Neither a client that says nothing nor a peer that does not shake hands may hold up the end.
        const idle = [connect(Number(new URL(rpc).port), net.ip(1)), connect(p2pPort, net.ip(1))]
        for (const socket of idle) socket.on("error", () => {})
        idle[0]!.write("POST / HTTP/1.1\r\n")
        const askedAt = performance.now()
        child.kill(signal)
        const { code, stderr } = yield* Fiber.join(stopped).pipe(Effect.timeout("10 seconds"))
        assert.strictEqual(code, 0)
        assert.isBelow(performance.now() - askedAt, 5_000)

        const entries = stderr
          .trimEnd()
          .split("\n")
          .map((line): { readonly message: string } => JSON.parse(line))
        assert.include(
          entries.map(({ message }) => message),
          "TIME_NETWRK has no effect; did you mean TIME_NETWORK?"
        )
      })
    )
  }

  it.live("stops when JSON-RPC asks, and answers first", () =>
    Effect.gen(function* () {
      const child = yield* startTimenode(yield* scratch, nodeArgs(yield* loopbackNet))
      const { rpc } = yield* ready(child)
      const stopped = yield* Effect.forkChild(ended(child), { startImmediately: true })
      assert.strictEqual(yield* call(rpc, "stop"), "TIME Coin server stopping")
      const { code, stdout } = yield* Fiber.join(stopped)
      assert.strictEqual(code, 0)
      assert.strictEqual(stdout, "")
    })
  )

  it.live("says which address is taken", () =>
    Effect.gen(function* () {
      const home = yield* scratch
      const net = yield* loopbackNet
      const child = yield* startTimenode(home, nodeArgs(net))
      const { p2pPort, rpc } = yield* ready(child)
      const other = ["start", "--no-discovery", "--data-dir", join(home, "other")]

      const peers = yield* timenode(home, [
        ...other,
        "--listen",
        `${net.ip(1)}:${p2pPort}`,
        "--rpc-listen",
        `${net.ip(1)}:0`
      ])
      assert.match(
        peers.stderr,
        /timenode: cannot listen for peers: .* is in use by another program; choose another --listen\n$/
      )
      assert.strictEqual(peers.code, 1)
      assert.strictEqual(peers.stdout, "")

      const taken = rpc.slice("http://".length)
      const json = yield* timenode(home, [...other, "--listen", `${net.ip(2)}:0`, "--rpc-listen", taken])
      assert.match(
        json.stderr,
        /timenode: cannot serve JSON-RPC: .* is in use by another program; choose another --rpc-listen\n$/
      )
      assert.strictEqual(json.code, 1)
    })
  )

  it.live("knows after a kill whom the operator has banned", () =>
    Effect.gen(function* () {
      const home = yield* scratch
      const args = nodeArgs(yield* loopbackNet)
      const child = yield* startTimenode(home, args)
      const killed = yield* Effect.forkChild(ended(child), { startImmediately: true })
      const before = yield* ready(child)
      assert.strictEqual(yield* call(before.rpc, "setban", "192.0.2.7", "add", 86_400), null)
      const bans = yield* call(before.rpc, "listbanned")
      child.kill("SIGKILL")
      yield* Fiber.join(killed)
      const after = yield* Effect.flatMap(startTimenode(home, args), ready)
      assert.deepStrictEqual(yield* call(after.rpc, "listbanned"), bans)
      assert.strictEqual((bans as ReadonlyArray<unknown>).length, 1)
    }).pipe(Effect.scoped)
  )
})

/**
 * Against real `timed`s: they list this node as an active masternode, whoever dialled, and have nothing to complain
 * about; timenodes hold each other active, and a `timed`, whose heartbeats have a key that it never announced, not.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { stripVTControlCharacters } from "node:util"
import { loopbackNet } from "../support/loopback.ts"
import { rpc, timed, timenode, until } from "./Processes.ts"
import { sharedFile } from "./Shared.ts"

interface Listed {
  readonly address: string
  readonly is_active: boolean
  readonly status: string
  readonly last_heartbeat: number
}

const listOf = (node: { readonly rpc: string }) =>
  Effect.map(rpc(node.rpc, "masternodelist"), ({ masternodes }: { masternodes: ReadonlyArray<Listed> }) => masternodes)

const activeIn = (node: { readonly rpc: string }) =>
  Effect.map(listOf(node), (list) =>
    list
      .filter((masternode) => masternode.is_active)
      .map(({ address }) => address)
      .sort()
  )

describe.skipIf(sharedFile("peer/timed-1e6d414") === null)("masternodes with timed", () => {
  it.live(
    "are active for each other, as far as each can prove it",
    () =>
      Effect.gen(function* () {
        const net = yield* loopbackNet
        const clock = { epoch: 1_764_547_230, anchor: Math.floor(Date.now() / 1000), speed: 20 }
        const [dialledIp, northIp, southIp, diallerIp] = [net.ip(2), net.ip(3), net.ip(4), net.ip(5)]
        const dialled = yield* timed({ ip: dialledIp, clock, masternode: true, build: "1e6d414" })
        const north = yield* timenode({ ip: northIp, clock, peers: [dialledIp, southIp], masternode: true })
        const south = yield* timenode({ ip: southIp, clock, peers: [dialledIp], masternode: true })
        const dialler = yield* timed({
          ip: diallerIp,
          clock,
          peers: [northIp, southIp],
          masternode: true,
          build: "1e6d414"
        })

        const ours = [northIp, southIp].sort()
        const includesOurs = (node: { readonly rpc: string }) =>
          Effect.map(activeIn(node), (active) => ours.every((ip) => active.includes(ip)))
        for (const node of [north, south]) yield* until("timenodes are active for each other", includesOurs(node), 20)
        for (const node of [dialled, dialler]) yield* until("a timed lists them as active", includesOurs(node), 30)

        // 18 real seconds are six minutes of the nodes' time: twice what a silent one is held active.
        yield* Effect.sleep("18 seconds")
        for (const node of [north, south]) {
          assert.deepStrictEqual(yield* activeIn(node), ours)
          const statuses = new Map((yield* listOf(node)).map(({ address, status }) => [address, status]))
          // One that we dialled says heartbeats and no announcement; one that dialled us does it the other way round.
          assert.match(statuses.get(dialledIp) ?? "unknown", /^unproven: /)
          assert.strictEqual(statuses.get(diallerIp), "silent")
          assert.strictEqual((yield* rpc(node.rpc, "getconsensusinfo")).masternodes, 2)
          const { recent_heartbeats: heartbeats } = yield* rpc(node.rpc, "getheartbeathistory", [northIp])
          assert.isAbove(heartbeats.length, 4)
        }
        for (const node of [dialled, dialler]) assert.isTrue(yield* includesOurs(node))
        for (const node of [dialled, dialler]) {
          const log = stripVTControlCharacters(readFileSync(node.log, "utf8")).split("\n")
          assert.deepStrictEqual(
            log.filter((line) => /WARN|ERROR/.test(line) && ours.some((ip) => line.includes(ip))),
            []
          )
        }
        for (const node of [north, south]) assert.notMatch(node.log(), /level=(WARN|ERROR)/i)
      }).pipe(Effect.scoped),
    120_000
  )
})

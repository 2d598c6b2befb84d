/**
 * Damages a chain as a killed process leaves it, opens that, and repairs it where it is refused.
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Result } from "effect"
import { chainFile } from "../../../src/layers/DataDirectory.ts"
import { StoreError } from "../../../src/services/ChainStore.ts"
import { makeRandom } from "../../fixtures/Random.ts"
import { damage } from "./Damage.ts"
import { fault, inFolder, type Outcome } from "./Outcome.ts"
import { copyChain, leave, repaired } from "./Prepared.ts"
import { bytesIn, description, examined, isSame } from "./Stored.ts"
import { blocksOf, take, work } from "./Work.ts"

/** Either the chain equals a clean replay, or it is refused, untouched, and a repaired copy does. */
export const corruptRun = (seed: number): Promise<Outcome> =>
  inFolder(async (folder) => {
    const random = makeRandom(seed)
    const steps = take(work(seed), 3 + random(10))
    const earlier = join(folder, "earlier")
    const copy = join(folder, "copy")
    mkdirSync(earlier)
    mkdirSync(copy)
    const closedAfter = random(steps.length)
    await leave(earlier, steps.slice(0, -1), Math.min(closedAfter, steps.length - 1))
    const log = `${chainFile(earlier)}-wal`
    const earlierLog = existsSync(log) ? readFileSync(log) : Buffer.alloc(0)
    await leave(folder, steps, closedAfter)
    const what = damage(folder, earlierLog, random)
    const before = bytesIn(folder)
    copyChain(folder, copy)
    const blocks = blocksOf(steps)
    const found = await Effect.runPromise(Effect.result(examined(folder, blocks, random)))
    if (Result.isSuccess(found)) {
      const { differs, tip } = found.success
      if (differs.length > 0) return fault(`${what}: opens and differs in ${differs.join(", ")}`)
      return { fault: false, phase: "equals", text: `${what}: opens, block ${tip!.block.header.height}` }
    }
    const error = found.failure
    const text = description(folder, error)
    if (!(error instanceof StoreError) || error.reason !== "Damaged") return fault(`${what}: ${text}`)
    if (!isSame(before, bytesIn(folder))) return fault(`${what}: refused, but changed`)
    if (!text.includes("timenode chain verify --repair")) return fault(`${what}: no advice in: ${text}`)
    const again = await repaired(copy, blocks, random)
    if ("fault" in again) return fault(`${what}: ${again.fault}`)
    return { fault: false, phase: "refused", text: `${what}: refused (${error.detail}), repaired to ${again.height}` }
  })

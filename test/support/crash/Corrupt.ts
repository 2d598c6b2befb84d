/**
 * Damages a chain as a killed process leaves it, opens that, and repairs it where it is refused.
 */
import { chmodSync, mkdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { Effect, Result } from "effect"
import { chainFile } from "../../../src/layers/DataDirectory.ts"
import { StoreError } from "../../../src/services/ChainStore.ts"
import type { TreeBlock } from "../../fixtures/BlockTree.ts"
import { makeRandom } from "../../fixtures/Random.ts"
import { damage } from "./Damage.ts"
import { fault, inFolder, type Outcome } from "./Outcome.ts"
import { copyChain, leave, repaired } from "./Prepared.ts"
import { bytesIn, bytesOf, description, examined, isSame } from "./Stored.ts"
import { blocksOf, take, work } from "./Work.ts"

/** Either the chain equals a clean replay, or it is refused, untouched, and a repaired copy does. */
export const corruptRun = (seed: number): Promise<Outcome> =>
  inFolder(async (folder) => {
    const random = makeRandom(seed)
    const steps = take(work(seed), 3 + random(10))
    const other = join(folder, "other")
    const copy = join(folder, "copy")
    mkdirSync(other)
    mkdirSync(copy)
    // Half of them have no log, which would cover what is in the file.
    const closedAfter = random(2) === 0 ? steps.length : random(steps.length)
    // A log over another file: that was closed after other steps.
    const otherAfter = (closedAfter + 1 + random(steps.length - 1)) % steps.length
    const otherEnd = otherAfter + 1 + random(steps.length - otherAfter)
    await leave(other, steps.slice(0, otherEnd), otherAfter)
    await leave(folder, steps, closedAfter)
    const blocks = blocksOf(steps)
    if (random(20) === 0) return unreadable(folder, blocks, random)
    const what = damage(folder, bytesOf(`${chainFile(other)}-wal`), random)
    const before = bytesIn(folder)
    copyChain(folder, copy)
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

// --- internal ---

/** Refused for what the system says, and by no means as damage; and whole when the system lets it be read again. */
const unreadable = async (
  folder: string,
  blocks: ReadonlyMap<string, TreeBlock>,
  random: (below: number) => number
): Promise<Outcome> => {
  const before = bytesIn(folder)
  const open = () => Effect.runPromise(Effect.result(examined(folder, blocks, random)))
  chmodSync(dirname(folder), 0o755)
  chmodSync(folder, 0o777)
  chmodSync(chainFile(folder), 0)
  const found = await asNobody(open)
  chmodSync(chainFile(folder), 0o644)
  if (Result.isSuccess(found)) return fault("unreadable: opens")
  const text = description(folder, found.failure)
  if (!/^the store in .* failed to open: /.test(text)) return fault(`unreadable: ${text}`)
  if (!isSame(before, bytesIn(folder))) return fault("unreadable: changed")
  const again = await open()
  if (Result.isFailure(again)) return fault(`unreadable once: ${description(folder, again.failure)}`)
  const { differs } = again.success
  if (differs.length > 0) return fault(`unreadable once: differs in ${differs.join(", ")}`)
  return { fault: false, phase: "unreadable", text: `unreadable: ${text}` }
}

/** Without the rights of the administrator, who can read everything. */
const asNobody = async <A>(run: () => Promise<A>): Promise<A> => {
  if (process.geteuid?.() !== 0) return run()
  process.seteuid!(65_534)
  try {
    return await run()
  } finally {
    process.seteuid!(0)
  }
}

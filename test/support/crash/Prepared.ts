/**
 * Folders with a chain in a certain state: as a killed process leaves it, of the schema before, repaired.
 */
import { copyFileSync, existsSync, rmSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Option, Result } from "effect"
import { StatusLine } from "../../../src/cli/programs/StatusLine.ts"
import { verifyChain } from "../../../src/cli/programs/VerifyChain.ts"
import { chainFile } from "../../../src/layers/DataDirectory.ts"
import { encodeDelta, decodeDelta } from "../../../src/layers/UndoRecord.ts"
import type { TreeBlock } from "../../fixtures/BlockTree.ts"
import { chainIn, description, examined } from "./Stored.ts"
import type { Step } from "./Work.ts"

/** Files as a process leaves them that is killed after the steps; it was closed once, after some of them. */
export const leave = async (folder: string, steps: ReadonlyArray<Step>, closedAfter: number): Promise<void> => {
  const at = join(folder, "work")
  const doing = (some: ReadonlyArray<Step>) => Effect.forEach(some, ({ run }) => run, { discard: true })
  await Effect.runPromise(Effect.provide(doing(steps.slice(0, closedAfter)), chainIn(at), { local: true }))
  await Effect.runPromise(
    doing(steps.slice(closedAfter)).pipe(
      Effect.andThen(Effect.sync(() => copyChain(at, folder))),
      Effect.provide(chainIn(at), { local: true })
    )
  )
  rmSync(at, { recursive: true })
}

/** The file, and its log if it has one. */
export const copyChain = (from: string, to: string): void => {
  for (const end of ["", "-wal"]) {
    const path = `${chainFile(from)}${end}`
    if (existsSync(path)) copyFileSync(path, `${chainFile(to)}${end}`)
  }
}

/** Takes away what schema 2 has added. */
export const downgrade = async (folder: string): Promise<void> => {
  const db = new DatabaseSync(chainFile(folder))
  const update = db.prepare("UPDATE undo SET delta = ? WHERE height = ?")
  db.exec("BEGIN")
  for (const row of db.prepare("SELECT height, delta FROM undo").all()) {
    const delta = decodeDelta(row["delta"] as Uint8Array)
    update.run(encodeDelta({ ...delta, spenders: [] }), row["height"]!)
  }
  for (const table of ["txids", "tx", "script", "coin", "history", "checksum"]) db.exec(`DROP TABLE ${table}`)
  db.exec("UPDATE meta SET schema = 1")
  db.exec("COMMIT")
  db.close()
}

/** Lets `chain verify --repair` do its work to the end, and compares what there is then with a clean replay. */
export const repaired = async (
  folder: string,
  blocks: ReadonlyMap<string, TreeBlock>,
  random: (below: number) => number
): Promise<{ readonly height: bigint } | { readonly fault: string }> => {
  const flags = { config: Option.none(), network: Option.some("testnet"), dataDir: Option.some(folder) }
  const repair = verifyChain(flags, true).pipe(
    Effect.provide([NodeServices.layer, StatusLine.layer]),
    Effect.provideService(Console.Console, silent)
  )
  const done = await Effect.runPromise(Effect.result(repair))
  if (Result.isFailure(done)) return { fault: `is not repaired: ${done.failure.message}` }
  const found = await Effect.runPromise(Effect.result(examined(folder, blocks, random)))
  if (Result.isFailure(found)) return { fault: `does not open repaired: ${description(folder, found.failure)}` }
  const { differs, tip } = found.success
  return differs.length > 0
    ? { fault: `repaired, differs in ${differs.join(", ")}` }
    : { height: tip!.block.header.height }
}

// --- internal ---

const silent: Console.Console = { ...console, log: () => {}, error: () => {} }

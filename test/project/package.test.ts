/**
 * The package as a user gets it: built and packed from a clean tree, judged by publint and attw, then used by a program
 * outside the project, which is type-checked and run.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { node, root, run, temporaryFolder, tool, type Outcome } from "./Project.ts"

const program = `
import * as Effect from "effect/Effect"
import * as timenode from "timenode"
import * as Testing from "timenode/testing"
import { PeerRegistry } from "timenode/services/PeerRegistry"

const peers = Effect.gen(function* () {
  const registry = yield* PeerRegistry
  return yield* registry.peers
}).pipe(Effect.provide(PeerRegistry.layerTest()))

const same: typeof PeerRegistry = timenode.PeerRegistry.PeerRegistry
console.log(Effect.runSync(peers).length, same === PeerRegistry, Object.keys(Testing).length > 0)
`

describe("package", { timeout: 60_000 }, () => {
  const folder = temporaryFolder("package")
  const tarball = join(folder, "package.tgz")
  const consumer = join(folder, "consumer")
  const installed = join(consumer, "node_modules/timenode")
  const succeeds = ({ code, stdout, stderr }: Outcome) => assert.strictEqual(code, 0, `${stdout}\n${stderr}`)
  const link = (name: string, modules: string) => {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(root, "node_modules", name), join(modules, name))
  }

  beforeAll(async () => {
    const clone = join(folder, "clone")
    for (const path of readdirSync(root)) {
      if (!/^(\.|node_modules$|dist$|test$|bench$|examples$|.*\.tgz$)/.test(path)) {
        cpSync(join(root, path), join(clone, path), { recursive: true })
      }
    }
    symlinkSync(join(root, "node_modules"), join(clone, "node_modules"))
    const packed = await run("npm", ["pack", "--json", "--pack-destination", folder], { cwd: clone })
    succeeds(packed)
    const name = readdirSync(folder).find((name) => name.endsWith(".tgz"))!
    cpSync(join(folder, name), tarball)

    mkdirSync(installed, { recursive: true })
    succeeds(await run("tar", ["-xzf", tarball, "--strip-components=1", "-C", installed]))
    for (const name of ["effect", "@effect/platform-node", "@types/node"]) link(name, join(consumer, "node_modules"))
    writeFileSync(join(consumer, "package.json"), JSON.stringify({ type: "module" }))
    writeFileSync(join(consumer, "main.ts"), program)
  }, 60_000)
  afterAll(() => rmSync(folder, { recursive: true }))

  it("holds what it should and no more", () => {
    const files = readdirSync(installed, { recursive: true, encoding: "utf8" })
    assert.includeMembers(files, ["README.md", "LICENSE", "CHANGELOG.md", "package.json", "dist/bin.js"])
    assert.deepStrictEqual(
      files.filter(
        (file) => /(^|[^d])\.ts$/.test(file.replace(/\.d\.ts$/, "d.ts")) || /test|bench/.test(file.split("/")[0]!)
      ),
      []
    )
  })

  it("imports compiled modules only", () => {
    for (const file of readdirSync(join(installed, "dist"), { recursive: true, encoding: "utf8" })) {
      if (!file.endsWith(".js")) continue
      assert.notMatch(readFileSync(join(installed, "dist", file), "utf8"), /(from|import\() ?"\.[^"]*\.ts"/, file)
    }
  })

  it("has a command that starts by itself", async () => {
    const bin = join(installed, "dist/bin.js")
    assert.match(readFileSync(bin, "utf8"), /^#!\/usr\/bin\/env node\n/)
    succeeds(await node([bin, "--help"]))
  })

  it("satisfies publint", async () => succeeds(await node([tool.publint, tarball, "--strict"])))

  it("has types for every entry point, as attw sees it", async () =>
    succeeds(await node([tool.attw, tarball, "--profile", "esm-only"])))

  it("can be used by a program: types", async () => {
    const options = "--noEmit --strict --exactOptionalPropertyTypes --skipLibCheck --module nodenext --target es2024"
    succeeds(await node([tool.tsc, ...options.split(" "), "--types", "node", "main.ts"], { cwd: consumer }))
  })

  it("can be used by a program: run", async () => {
    const outcome = await node(["main.ts"], { cwd: consumer })
    succeeds(outcome)
    assert.strictEqual(outcome.stdout, "0 true true\n")
  })
})

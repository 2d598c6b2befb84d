/**
 * The lint rules at work: every forbidden import of every folder is planted in a small tree and must be reported, every
 * allowed one must not. The tables below say again, independently of `.oxlintrc.json`, what ARCHITECTURE.md §2 says.
 */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { node, root, sourceFolders, temporaryFolder, tool } from "./Project.ts"

interface Folder {
  /** Which of our top folders it may import, other than its own. */
  readonly ours: ReadonlyArray<string>
  /** Which modules from outside. */
  readonly outside: ReadonlyArray<string>
}

const effect = [
  "effect/Effect",
  "effect/net/IpNetwork",
  "effect/net/NetAddress",
  "effect/encoding/Toml",
  "effect/schema/SchemaJITCompiler/enable"
]
const http = ["effect/http/HttpRouter"]
const technology = [
  ...http,
  "effect/socket/Socket",
  "effect/sql/SqlClient",
  "effect/cli/Command",
  "effect/process/ChildProcess",
  "effect/workers/Worker",
  "effect/persistence/KeyValueStore",
  "effect/FileSystem",
  "effect/Console",
  "effect/Stdio",
  "effect/Terminal",
  "@effect/platform-node",
  "@effect/platform-node/NodeSocket",
  "node:fs",
  "node:fs/promises",
  "node:crypto"
]
const timers = ["node:timers", "node:timers/promises", "node:process", "node:perf_hooks", "node:console"]
const never = [
  "effect",
  "effect/socket/../http/HttpRouter",
  "lodash",
  "@noble/curves/ed25519",
  "timenode",
  "timenode/services/PeerRegistry",
  "/etc/module.ts"
]
const outsiders = [...effect, ...technology, ...timers, ...never]

const peer: Folder = { ours: ["protocol", "consensus", "services"], outside: effect }
const rpc: Folder = { ours: peer.ours, outside: [...effect, ...http] }
const layers: Folder = { ours: [...peer.ours, "peer"], outside: [...effect, ...technology] }
const tops: Record<string, Folder> = {
  protocol: { ours: [], outside: effect },
  consensus: { ours: ["protocol"], outside: effect },
  services: { ours: ["protocol", "consensus"], outside: effect },
  peer,
  rpc,
  layers,
  testing: { ours: [...layers.ours, "layers"], outside: layers.outside },
  cli: {
    ours: ["protocol", "services", "layers", "rpc", "testing"],
    outside: [...effect, ...technology, ...timers]
  }
}
const everything = Object.keys(tops)

/** Folders nest once at most; the rules of a nested folder are those of its top. */
const folders: Record<string, Folder> = {
  "": { ours: everything, outside: [...effect, ...technology, ...timers] },
  ...tops,
  ...Object.fromEntries(Object.entries(tops).map(([top, folder]) => [`${top}/nested`, folder]))
}

/** A file to lint, and the rule that must be reported in it; null when nothing must. */
interface Plant {
  readonly path: string
  readonly text: string
  readonly rule: string | null
}

const plants: Array<Plant> = []
const plant = (folder: string, rule: string | null, text: string, name = `Plant${plants.length}.ts`) => {
  plants.push({ path: join(folder, name), text: `${text}\n`, rule })
}

const IMPORTS = "eslint(no-restricted-imports)"
const GLOBALS = "eslint(no-restricted-globals)"
const use = (specifier: string) => `import * as Used from "${specifier}"\nexport const used = Used`

for (const [name, folder] of Object.entries(folders)) {
  const at = join("src", name)
  const [top = "", nested] = name.split("/")
  const src = nested === undefined ? (top === "" ? "./" : "../") : "../../"

  for (const specifier of outsiders) {
    plant(at, folder.outside.includes(specifier) ? null : IMPORTS, use(specifier))
  }
  for (const other of everything.filter((other) => other !== top)) {
    const verdict = folder.ours.includes(other) ? null : IMPORTS
    plant(at, top === "services" && other === "consensus" ? IMPORTS : verdict, use(`${src}${other}/Noun.ts`))
    plant(at, verdict, `export type { Noun } from "${src}${other}/Noun.ts"`)
  }
  plant(at, null, use("./Sibling.ts"))
  plant(at, IMPORTS, use(`${src}../test/Noun.ts`))
  plant(at, IMPORTS, use(`${src}../dist/index.js`))
  plant(at, IMPORTS, use(`./../${src}layers/Noun.ts`))
  plant(at, IMPORTS, use(`${src}protocol/../cli/Noun.ts`))
  if (nested !== undefined) {
    plant(at, null, use("../Parent.ts"))
    plant(at, null, use("../sibling/Noun.ts"))
    plant(at, IMPORTS, use(`../../${top}/Parent.ts`))
  }
  if (top !== "") {
    for (const barrel of ["./index.ts", `${src}index.ts`, `${src}testing/index.ts`]) plant(at, IMPORTS, use(barrel))
  }
  if (top !== "" && top !== "protocol") {
    const facade = folder.ours.includes("protocol") ? null : IMPORTS
    for (const module of ["Wire", "Encoded", "Canonical"]) plant(at, facade, use(`${src}protocol/wire/${module}.ts`))
    plant(at, IMPORTS, use(`${src}protocol/wire/StrictReader.ts`))
  }

  const edge = top === "cli"
  const restricted: ReadonlyArray<readonly [rule: string, ...uses: ReadonlyArray<string>]> = [
    ["eslint(no-console)", "console.log(1)"],
    [GLOBALS, "Date.now()", "new Date()", "performance.now()", "process.pid"],
    [GLOBALS, "setTimeout(() => {}, 1)", "setInterval(() => {}, 1)", "setImmediate(() => {})"],
    ["eslint(no-restricted-properties)", "globalThis.setTimeout(() => {}, 1)"]
  ]
  for (const [rule, ...uses] of restricted) {
    for (const text of uses) plant(at, edge ? null : rule, `export const used = ${text}`)
  }
  plant(at, "oxc(no-barrel-file)", 'export * from "./Sibling.ts"')
  plant(at, null, "export const sibling = 1", "Sibling.ts")
}

// What holds for single files, and the forms an import can take.
plant(
  "src/protocol",
  null,
  'import { hash } from "node:crypto"\nimport "./Sibling.ts"\nimport "effect/Schema"\nexport const used = hash',
  "Hash.ts"
)
plant("src/protocol", IMPORTS, use("node:fs"), "Ed25519.ts")
plant("src/protocol", null, use("./wire/Wire.ts"))
plant("src/protocol", IMPORTS, use("./wire/Framer.ts"))
plant("src/services", null, use("../consensus/BlockRejection.ts"))
plant("src/services", IMPORTS, 'import { Noun } from "../consensus/Rewards.ts"\nexport const used = Noun')
for (const form of [
  'import "#"',
  'import type { Noun } from "#"',
  'export { Noun } from "#"',
  'export const used = import("#")'
]) {
  plant("src/protocol", IMPORTS, form.replace("#", "../services/Noun.ts"))
}
plant("src/newcomer", IMPORTS, use("effect/Effect"))
plant("src/services/nested/deeper", IMPORTS, use("effect/Effect"))
plant("src", null, "console.log(process.pid, Date.now())", "bin.ts")
plant("src", null, 'export * as Noun from "./services/Sibling.ts"', "index.ts")
plant("src/testing", null, 'export * as Noun from "./Sibling.ts"', "index.ts")
for (const edge of ["TcpPeerRegistry.ts", "registry/TcpTransport.ts"]) {
  plant("src/layers", null, "process.nextTick(() => setTimeout(() => {}, 1))", edge)
}
plant("src/protocol", "import(no-cycle)", 'import { here } from "./There.ts"\nexport const there = here', "Here.ts")
plant("src/protocol", "import(no-cycle)", 'import { there } from "./Here.ts"\nexport const here = there', "There.ts")
plant("src/protocol", "import(no-cycle)", 'import type { B } from "./TypeB.ts"\nexport type A = B | 1', "TypeA.ts")
plant("src/protocol", "import(no-cycle)", 'import type { A } from "./TypeA.ts"\nexport type B = A | 2', "TypeB.ts")
plant("src/protocol", "import(no-self-import)", 'import { self } from "./Self.ts"\nexport const used = self', "Self.ts")
plant(
  "src/protocol",
  "import(no-duplicates)",
  'import { sibling } from "./Sibling.ts"\nimport { sibling as twin } from "./Sibling.ts"\nexport const used = [sibling, twin]'
)
plant("src/protocol", "eslint(max-lines)", "export const used = [\n" + "  1,\n".repeat(600) + "]")
plant("src/protocol", null, "export const used = [\n" + "  1,\n".repeat(597) + "]")
plant("src/protocol", "typescript(no-explicit-any)", "export type Any = any")
plant("src/protocol", "eslint(no-unused-vars)", "const unused = 1\nexport const used = 2")
plant("src/protocol", null, "export const used = (_: number, _unused: number) => 1")
plant("src/protocol", null, "export const used = function* () {\n  return 1\n}")
plant("src/protocol", null, "export const used = (length: number) => new Array(length)")

plant(
  "test/protocol",
  null,
  'import { sibling } from "../../src/protocol/Sibling.ts"\nexport const used = sibling as any'
)
for (const specifier of ["../../dist/index.js", "timenode", "timenode/testing"]) {
  plant("test/protocol", IMPORTS, use(specifier))
  plant("bench/protocol", IMPORTS, use(specifier))
  plant("scripts", IMPORTS, use(specifier))
}
const testFile = (call: string) =>
  `import { assert, it } from "@effect/vitest"\n${call}("a name", () => assert.isTrue(true))`
plant("test/protocol", "vitest(no-focused-tests)", testFile("it.only"), "Focused.test.ts")
plant("test/protocol", "vitest(no-disabled-tests)", testFile("it.skip"), "Disabled.test.ts")
plant("test/protocol", null, testFile("it").replace("assert.isTrue(true)", "assert"), "Helper.test.ts")
plant("test/protocol", null, `const name = "a name"\n${testFile("it").replace('"a name"', "name")}`, "Name.test.ts")
for (const path of ["index", "testing/index", "protocol/Noun", "services/Noun", "layers/Noun"]) {
  plant("examples", null, use(`../src/${path}.ts`))
}
for (const path of [
  "bin",
  "testing/Noun",
  "peer/Noun",
  "consensus/Noun",
  "rpc/Noun",
  "cli/Noun",
  "layers/registry/Noun"
]) {
  plant("examples", IMPORTS, use(`../src/${path}.ts`))
}
for (const specifier of [
  "timenode",
  "timenode/testing",
  "effect",
  "effect/Effect",
  "node:fs",
  "node:fs/promises",
  "@effect/platform-node/NodeRuntime"
]) {
  plant("examples", null, use(specifier))
}
plant("examples", IMPORTS, use("lodash"))

/** Lints a folder of the tree with a configuration; describes each plant there whose report is not what it must be. */
const surprises = async (tree: string, config: string, folder = "."): Promise<ReadonlyArray<string>> => {
  const { stdout, stderr } = await node([tool.oxlint, "--config", config, "--format", "json", folder], { cwd: tree })
  assert.strictEqual(stderr, "")
  const reported = new Map<string, Set<string>>()
  const report = JSON.parse(stdout) as { diagnostics: ReadonlyArray<{ code: string; filename: string }> }
  for (const { code, filename } of report.diagnostics) {
    reported.set(filename, (reported.get(filename) ?? new Set()).add(code))
  }
  return plants
    .filter(({ path }) => folder === "." || path.startsWith(`${folder}/`))
    .flatMap(({ path, text, rule }) => {
      const codes = [...(reported.get(path) ?? [])]
      const expected = rule === null ? codes.length === 0 : codes.includes(rule)
      return expected ? [] : [`${path}: ${rule ?? "nothing"} expected, got [${codes}]\n${text.slice(0, 200)}`]
    })
}

describe("import rules", () => {
  const tree = temporaryFolder("boundaries")
  const config = join(tree, ".oxlintrc.json")

  beforeAll(() => {
    cpSync(join(root, ".oxlintrc.json"), config)
    for (const { path, text } of plants) {
      mkdirSync(join(tree, dirname(path)), { recursive: true })
      writeFileSync(join(tree, path), text)
    }
    return () => rmSync(tree, { recursive: true })
  })

  it("report every planted violation and no legal neighbour", async () => {
    assert.isAbove(plants.filter((plant) => plant.rule !== null).length, 300)
    assert.strictEqual(new Set(plants.map((plant) => plant.path)).size, plants.length)
    assert.deepStrictEqual(await surprises(tree, config), [])
  })

  it("are each needed: without any one of them a plant is judged wrongly", { timeout: 60_000 }, async () => {
    const read = () => JSON.parse(readFileSync(config, "utf8"))
    const mutants: Array<{ name: string; folder?: string; mutate: (config: any) => void }> = [
      { name: "categories", mutate: (config) => (config.categories = { correctness: "off" }) },
      ...Object.keys(read().rules).map((name) => ({ name, mutate: (config: any) => delete config.rules[name] }))
    ]
    read().overrides.forEach(({ files, rules }: any, index: number) => {
      for (const rule of Object.keys(rules)) {
        mutants.push({
          name: `${files}: ${rule}`,
          folder: /^(src\/\w+|\w+)\//.exec(files[0])![1]!,
          mutate: (config) => delete config.overrides[index].rules[rule]
        })
      }
    })
    const needless: Array<string> = []
    for (const { name, folder, mutate } of mutants) {
      const mutant = read()
      mutate(mutant)
      const path = join(tree, "mutant.json")
      writeFileSync(path, JSON.stringify(mutant))
      if ((await surprises(tree, path, folder)).length === 0) needless.push(name)
    }
    assert.deepStrictEqual(needless, [])
  })

  it("cover every folder of src", () => {
    const covered = (folder: string) => /^[^/]*(\/[^/]+)?$/.test(folder) && folder.split("/")[0]! in folders
    assert.deepStrictEqual(
      sourceFolders().filter((folder) => !covered(folder)),
      []
    )
  })
})

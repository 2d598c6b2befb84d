/**
 * What the documents show is true: their TypeScript compiles against the sources, those marked `ts run` also run, and
 * the commands of the README are the scripts there are.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { node, root, tool } from "./Project.ts"

interface Snippet {
  /** Document and line, as in `README.md-40`. */
  readonly name: string
  /** Preceded by as many lines as in the document, so that an error names the line there. */
  readonly text: string
  readonly runs: boolean
}

const documents = [
  "README.md",
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".md"))
    .map((path) => join("docs", path))
]
const read = (document: string) => readFileSync(join(root, document), "utf8")

const snippetsOf = (document: string): ReadonlyArray<Snippet> => {
  const text = read(document)
  return [...text.matchAll(/^```ts( run)?\n(.*?)^```$/gms)].map((fence) => {
    const line = text.slice(0, fence.index).split("\n").length
    return {
      name: `${document.replaceAll("/", "-")}-${line}`,
      text: `${"\n".repeat(line)}${fence[2]!}export {}\n`,
      runs: fence[1] !== undefined
    }
  })
}

describe("documents", () => {
  const snippets = documents.flatMap(snippetsOf)
  let folder: string

  // Inside the project, where `effect` is found.
  beforeAll(() => {
    mkdirSync(join(root, ".tmp"), { recursive: true })
    folder = mkdtempSync(join(root, ".tmp/docs-"))
    for (const { name, text } of snippets) writeFileSync(join(folder, `${name}.ts`), text)
    const compilerOptions = { noUnusedLocals: false }
    const config = { extends: join(root, "tsconfig.json"), compilerOptions, include: ["*.ts"] }
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it("show TypeScript that compiles", { timeout: 60_000 }, async () => {
    assert.isAbove(snippets.length, 0)
    const { stdout } = await node([tool.tsc, "--project", folder], { cwd: folder })
    // What the sources themselves get wrong is for the type check of the project to say.
    const wrong = stdout.split("\n").filter((line) => /^[^.\s/]+\.md-/.test(line))
    assert.deepStrictEqual(wrong, [])
    assert.notMatch(stdout, /error TS(18003|6053|5\d{3})/, "the snippets were not compiled")
  })

  for (const { name } of snippets.filter((snippet) => snippet.runs)) {
    it(`${name} runs to its end`, { timeout: 25_000 }, async () => {
      const hook = join(root, "test/project/timenodeFromSource.ts")
      const { code, stderr } = await node(["--import", hook, join(folder, `${name}.ts`)], { timeout: 20_000 })
      assert.strictEqual(code, 0, stderr)
    })
  }

  it("link to files that exist", () => {
    const known = [...documents, "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
    const broken = known.flatMap((document) =>
      [...read(document).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].flatMap(([, target]) =>
        existsSync(join(root, document, "..", target!)) ? [] : [`${document}: ${target}`]
      )
    )
    assert.deepStrictEqual(broken, [])
  })

  it("name commands that exist", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> }
    const readme = read("README.md")
    assert.include(readme, "npm ci && npm start")
    assert.include(readme, "npm ci && npm test")
    for (const document of [...documents, "CONTRIBUTING.md"]) {
      for (const [command, script] of read(document).matchAll(/\bnpm (?:run )?(start|test[a-z:]*|(?<=run )[a-z:]+)/g)) {
        assert.property(scripts, script!, `${document}: ${command}`)
      }
    }
  })
})

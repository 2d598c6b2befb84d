/**
 * For `node --import`: `timenode/…` is what the sources say, so that snippets written for users run without a build.
 * The type check knows the same through `paths` in tsconfig.json.
 */
import { registerHooks } from "node:module"

const src = new URL("../../src/", import.meta.url)

registerHooks({
  resolve: (specifier, context, next) => {
    if (!/^timenode(\/|$)/.test(specifier)) return next(specifier, context)
    const path = specifier.slice("timenode/".length)
    const module = path === "" ? "index.ts" : path === "testing" ? "testing/index.ts" : `${path}.ts`
    return next(new URL(module, src).href, context)
  }
})

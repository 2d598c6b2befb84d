import { configDefaults, defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: [...configDefaults.exclude, "**/*.interop.test.ts"],
    // Modules keep nothing between tests, and to load them anew for every file takes as long as half of the tests.
    isolate: false,
    // A bound against hanging, not a measurement: a machine under load must not fail a test.
    testTimeout: 60_000,
    hookTimeout: 60_000
  }
})

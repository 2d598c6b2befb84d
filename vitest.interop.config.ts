import { defineConfig } from "vitest/config"

/** Tests against the Rust node: slow, and only where its binaries are. They share its ports, so one file at a time. */
export default defineConfig({
  test: {
    include: ["test/**/*.interop.test.ts"],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000
  }
})

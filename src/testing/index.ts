/**
 * The published test kit.
 */
export * as MemoryPeerRegistry from "../layers/MemoryPeerRegistry.ts"
export * as MockNode from "./MockNode.ts"

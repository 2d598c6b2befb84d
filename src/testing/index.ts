/**
 * The published test kit: mocked services, peers played by hand, and the handler to try them on.
 */
export * as MemoryPeerRegistry from "../layers/MemoryPeerRegistry.ts"
export { PeerHandler } from "../peer/PeerHandler.ts"
export * as MockNode from "./MockNode.ts"

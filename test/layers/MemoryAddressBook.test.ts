import { describe } from "@effect/vitest"
import * as MemoryAddressBook from "../../src/layers/MemoryAddressBook.ts"
import { suite } from "../services/AddressBookSuite.ts"

describe("MemoryAddressBook", () => {
  suite(MemoryAddressBook.layer)
})

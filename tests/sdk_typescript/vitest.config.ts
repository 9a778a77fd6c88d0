import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // It needs a package that is compiled, and looks at the SDK alone.
    exclude: ["**/memory_leak.test.ts"],
    testTimeout: 60000,
    fileParallelism: false,
  },
});

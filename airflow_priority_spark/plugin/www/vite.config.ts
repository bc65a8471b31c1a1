// SPDX-License-Identifier: Apache-2.0
// One classic script: the host imports it as a module for its effect, and it takes React, Chakra and the rest
// from the globals that the host sets, so that it lives in the host's own theme and router.
import { defineConfig } from "vitest/config";

const hostGlobals: Record<string, string> = {
  react: "React",
  "react-dom": "ReactDOM",
  "react/jsx-runtime": "ReactJSXRuntime",
  "react-router-dom": "ReactRouterDOM",
  "@chakra-ui/react": "ChakraUI",
  "@emotion/react": "EmotionReact",
};

export default defineConfig({
  build: {
    target: "es2022",
    lib: { entry: "src/main.tsx", formats: ["iife"], name: "PrioritySpark", fileName: () => "main.js" },
    reportCompressedSize: false,
    rollupOptions: {
      external: Object.keys(hostGlobals),
      output: { globals: hostGlobals, banner: "/*! SPDX-License-Identifier: Apache-2.0 */" },
    },
  },
  test: {
    environment: "jsdom",
    include: ["tests/**/*.test.{ts,tsx}"],
    setupFiles: ["tests/setup.ts"],
    testTimeout: 120_000,
  },
});

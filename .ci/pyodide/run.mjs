// Runs pytest in CPython as WebAssembly:  node run.mjs MODULES PACKAGES CHECKOUT PYTEST-ARGUMENT…
// MODULES has node_modules/pyodide, PACKAGES is a folder of installed packages.
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [modules, packages, checkout, ...args] = process.argv.slice(2);
const { loadPyodide } = createRequire(resolve(modules, "index.js"))("pyodide");
const python = await loadPyodide({
  env: { HOME: "/tmp", PYTHONPATH: "/checkout:/checkout/.ci/pyodide:/packages", PYTHONDONTWRITEBYTECODE: "1", HYPOTHESIS_PROFILE: "ci" },
  fsInit: async (fs) => {
    for (const [inside, outside] of [["/packages", packages], ["/checkout", checkout]]) {
      fs.mkdir(inside);
      fs.mount(fs.filesystems.NODEFS, { root: resolve(outside) }, inside);
    }
  },
});
python.globals.set("args", python.toPy(args));
process.exitCode = python.runPython(`
import os, pytest
os.chdir("/checkout")
int(pytest.main(["-p", "no:cacheprovider", "-p", "without", "--capture=sys", *args]))
`);

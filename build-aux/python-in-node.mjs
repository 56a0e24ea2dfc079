// node python-in-node.mjs PYODIDE -c CODE | FILE [ARGUMENT]...: run CPython in WebAssembly, from the npm package pyodide
// in the folder PYODIDE, nearly as python does. It sees the folders of PYTHONPATH, of FILE and of the arguments, and
// no others. There are no threads and no processes.
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, ...command] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(resolve(folder, "pyodide.mjs")));
const path = (process.env.PYTHONPATH ?? "").split(":").filter(Boolean);
if (command[0] !== "-c") command.forEach((name, index) => { if (existsSync(name)) command[index] = resolve(name); });
const files = command.filter((name) => name.startsWith("/")).map((name) => dirname(name));
if (files.length) files.push(dirname(files[0]));        // modules next to the folder of the script
const python = await loadPyodide({ stdout: (line) => process.stdout.write(line + "\n") });

const all = [...new Set([...path, ...files])];
for (const name of all.filter((name) => !all.some((other) => name.startsWith(other + "/")))) {
    python.FS.mkdirTree(name);
    python.FS.mount(python.FS.filesystems.NODEFS, { root: name }, name);
}
python.globals.set("command", python.toPy(command));
python.globals.set("path", python.toPy(path));
process.exitCode = python.runPython(`
import runpy, sys, traceback
sys.path[:0] = path
sys.dont_write_bytecode = True
status = 0
try:
    if command[0] == '-c':
        sys.argv = ['-c', *command[2:]]
        exec(command[1], {'__name__': '__main__'})
    else:
        sys.argv = list(command)
        runpy.run_path(command[0], run_name='__main__')
except SystemExit as error:
    status = error.code if isinstance(error.code, int) else int(error.code is not None)
except BaseException:
    traceback.print_exc()
    status = 1
print(flush=True)
status`);

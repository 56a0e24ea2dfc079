// node python-in-node.mjs PYODIDE -c CODE | -m MODULE | FILE [ARGUMENT]...: run CPython in WebAssembly, from the npm package
// pyodide in the folder PYODIDE, nearly as python does. It sees the folders of PYTHONPATH, of FILE and of the arguments, and
// no others. There are no threads and no processes. The library is in a folder, not in an archive, so that programs can
// read its sources.
import { existsSync, writeSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, ...command] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(resolve(folder, "pyodide.mjs")));
const path = (process.env.PYTHONPATH ?? "").split(":").filter(Boolean);
if (command[0] !== "-c") command.forEach((name, index) => { if (existsSync(name)) command[index] = resolve(name); });
const files = command.filter((name) => name.startsWith("/")).map((name) => dirname(name));
if (files.length) files.push(dirname(files[0]));        // modules next to the folder of the script
const python = await loadPyodide();
python.setStdout({ write: (bytes) => writeSync(1, bytes) });
python.setStderr({ write: (bytes) => writeSync(2, bytes) });

const all = [...new Set([...path, ...files])];
for (const name of all.filter((name) => !all.some((other) => name.startsWith(other + "/")))) {
    python.FS.mkdirTree(name);
    python.FS.mount(python.FS.filesystems.NODEFS, { root: name }, name);
}
python.globals.set("command", python.toPy(command));
python.globals.set("path", python.toPy(path));
process.exitCode = python.runPython(`
import os, runpy, sys, traceback, zipfile
(archive,) = [name for name in sys.path if name.endswith('.zip')]
with zipfile.ZipFile(archive) as library:
    os.unlink(archive)
    library.extractall(archive)
sys.path_importer_cache.clear()
sys.path[:0] = path
sys.dont_write_bytecode = True
status = 0
try:
    if command[0] == '-c':
        sys.argv = ['-c', *command[2:]]
        exec(command[1], {'__name__': '__main__'})
    elif command[0] == '-m':
        sys.argv = list(command[1:])
        runpy.run_module(command[1], run_name='__main__', alter_sys=True)
    else:
        sys.argv = list(command)
        runpy.run_path(command[0], run_name='__main__')
except SystemExit as error:
    status = error.code if isinstance(error.code, int) else int(error.code is not None)
except BaseException:
    traceback.print_exc()
    status = 1
sys.stdout.flush()
status`);

"""Compiles the recorder for sys.monitoring, where there is a compiler; without it, condcov uses the form in Python.

CONDCOV_CORE=python leaves it out; with CONDCOV_CORE=c, an error of the compiler is an error.
"""

import importlib.util
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = '_monitoring_core'


class CustomBuildHook(BuildHookInterface):
    """Adds the compiled module to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the module if this interpreter would use it."""
        wanted = os.environ.get('CONDCOV_CORE')
        if (wanted == 'python' or version == 'editable' or sys.implementation.name != 'cpython'
                or not hasattr(sys, 'monitoring') or sysconfig.get_config_var('Py_GIL_DISABLED')
                or importlib.util.find_spec('codeprobes')):
            return
        self._folder = tempfile.TemporaryDirectory()
        file = NAME + sysconfig.get_config_var('EXT_SUFFIX')
        target = os.path.join(self._folder.name, file)
        compiler = shlex.split(os.environ.get('CC') or sysconfig.get_config_var('CC') or 'cc')
        flags = ['-O2', '-DNDEBUG', *shlex.split(os.environ.get('CFLAGS', '')), '-fPIC', '-shared']
        source = os.path.join(self.root, 'src', 'condcov', 'record', f'{NAME}.c')
        try:
            subprocess.run([*compiler, *flags, f'-I{sysconfig.get_path("include")}', source, '-o', target], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            if wanted == 'c':
                raise
            self.app.display_warning(f'condcov will record with its form in Python, which is slower: {error}')
            return
        build_data['force_include'][target] = f'condcov/record/{file}'
        build_data['pure_python'] = False
        build_data['infer_tag'] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary folder."""
        if hasattr(self, '_folder'):
            self._folder.cleanup()

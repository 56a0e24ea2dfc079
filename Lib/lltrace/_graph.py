"""Draws the control-flow graph of a function with edge counts, using Graphviz."""

import os
import shutil
import subprocess
from html import escape

import codeblocks
from _bytecodeview import printable, without_prefixes
from _ownmodules import __builtins__
from lltrace._code import argument
from lltrace._files import put
from lltrace._report import source_of

_DOT = ('.dot', '.gv')
_FONT = 'DejaVu Sans Mono,Menlo,Consolas,monospace'
_WIDEST = 4                                 # pen width of the edge that was taken most often


def check(path):
    """Raise ValueError if no graph can be written to a file with this suffix."""
    if path.endswith(_DOT):
        return
    if not path.endswith('.svg'):
        raise ValueError(f'{path} must end with .svg, .dot or .gv')
    if shutil.which('dot') is None:
        raise ValueError("a .svg file needs Graphviz's program dot; install Graphviz or name a .dot file")


def choose(counts, name):
    """Return the CodeCounts of the function called name, or of the only function if name is None."""
    executed = counts.codes
    functions = [found for found in executed if found.code.co_name != '<module>']
    if name is None:
        candidates = functions or executed
        wanted = 'choose one of several functions with --function'
    else:
        base, several, number = name.partition('#')
        candidates = [found for found in executed if base in _names(found)]
        if several:
            candidates = [found for i, found in enumerate(candidates, 1) if str(i) == number]
        wanted = f'several functions are called {name}; choose with --function'
        if not candidates:
            others = sorted({found.code.co_qualname for found in executed})
            raise ValueError(f'no function {name} was executed, only {_listed(others)}')
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise ValueError('no code was executed, so there is nothing to draw')
    lines = [f'{found.code.co_qualname}:{found.code.co_firstlineno}' for found in candidates]
    for names in ([found.code.co_qualname for found in candidates], lines,
                  [f'{found.module}:{line}' for found, line in zip(candidates, lines)],
                  # such as lambdas in one line
                  [f'{line}#{lines[:i].count(line) + 1}' for i, line in enumerate(lines)]):
        if len(set(names)) == len(names) and name not in names:
            raise ValueError(f'{wanted}: {_listed(names)}')


def _names(found):
    """Return what the function can be called, all with and without its module and line."""
    code = found.code
    names = {code.co_name, code.co_qualname}
    names |= {f'{found.module}:{name}' for name in names}
    return names | {f'{name}:{code.co_firstlineno}' for name in names}


def _listed(names, most=20):
    more = f' and {len(names) - most} more' if len(names) > most else ''
    return printable(', '.join(names[:most])) + more


def dot(found):
    """Return the graph in DOT, the language of Graphviz."""
    code, taken = found.code, found.edges
    blocks = codeblocks.basic_blocks(code)
    lines = source_of(code.co_filename)
    entered = {block.start: sum(taken.get(edge[:2], 0) for edge in block.predecessors) for block in blocks}
    title = printable(f'{code.co_qualname}  ({os.path.basename(code.co_filename)}:{code.co_firstlineno})')
    out = ['digraph {',
           f'  label={_quoted(title)} labelloc=t fontname="{_FONT}" fontsize=15 bgcolor=white pad=0.3 nodesep=0.45',
           f'  node [shape=plain fontname="{_FONT}" fontsize=10 fontcolor="#1f2328"]',
           f'  edge [fontname="{_FONT}" fontsize=10 color="#57606a" fontcolor="#1f2328" arrowsize=0.7]']
    for block in blocks:
        out.append(f'  {block.start} [label=<{_block(block, lines, entered[block.start])}>]')
    out.append('  entry [shape=circle label="" width=0.16 style=filled fillcolor="#57606a" color="#57606a"]')
    most = max(taken.values(), default=1)
    for (source, target, kind, condition), number in _merged(blocks, taken).items():
        out.append(f'  {"entry" if source is None else source} -> {target} '
                   f'[{_edge(kind, condition, number, most)}]')
    return '\n'.join(out) + '\n}\n'


def _merged(blocks, taken):
    """Return {(block or None, target, kind, condition): count}, with one exception edge from a block to a handler."""
    merged = {}
    for block in blocks:
        for edge in block.predecessors:
            if edge.source == -1:
                merged[None, edge.target, edge.kind, None] = taken.get(edge[:2], 0)
        for edge in block.successors:
            key = block.start, edge.target, edge.kind, edge.condition
            merged[key] = merged.get(key, 0) + taken.get(edge[:2], 0)
    return merged


def _edge(kind, condition, number, most):
    label = '' if condition is None else f'{condition}  '.lower()
    if kind in ('exception', 'throw'):
        label = kind + '  '
    label += f'{number:,}' if number else ''
    attributes = [f'label={_quoted(" " + label.strip() + " ")}']
    color = {'exception': '#cf222e', 'throw': '#cf222e', 'resume': '#0969da'}.get(kind)
    if not number:
        attributes.append('style=dashed color="#afb8c1" fontcolor="#8c959f"')
        if kind == 'exception':
            attributes.append('weight=0')
    else:
        attributes.append(f'penwidth={1 + (_WIDEST - 1) * number / most:.2f}')
        if color:
            attributes.append(f'color="{color}" fontcolor="{color}"')
    return ' '.join(attributes)


def _block(block, lines, count):
    faint = '#57606a' if count else '#8c959f'
    color = '#1f2328' if count else '#8c959f'
    border = '#57606a' if count else '#afb8c1'
    rows, last = [], None
    for offset, instruction in without_prefixes(block.instructions):
        line = instruction.positions.lineno
        if line and line != last:
            source = lines[line - 1].strip() if line <= len(lines) else ''
            source = source if len(source) <= 48 else source[:45] + '...'
            rows.append(f'<tr><td colspan="3" align="left" bgcolor="#f6f8fa"><font color="{faint}">'
                        f'{line}  {escape(_plain(source))}</font></td></tr>')
            last = line
        cells = (f'<td align="{side}"><font color="{paint}">{escape(_plain(text)) or " "}</font></td>'
                 for side, paint, text in (('right', faint, str(offset)), ('left', color, instruction.opname),
                                           ('left', color, argument(instruction))))
        rows.append(f'<tr>{"".join(cells)}</tr>')
    return (f'<table border="1" cellborder="0" cellspacing="0" cellpadding="3" color="{border}" '
            f'bgcolor="white">{"".join(rows)}</table>')


def _plain(text):
    """Replace the characters that Graphviz or XML cannot contain."""
    return ''.join(c if c.isprintable() else ' ' if c == '\t' else '?' for c in text)


def _quoted(text):
    return '"' + text.replace('\\', r'\\').replace('"', r'\"') + '"'


def write(counts, path, function):
    path = os.fspath(path)
    check(path)
    text = dot(choose(counts, function))
    if not path.endswith(_DOT):
        done = subprocess.run(['dot', '-Tsvg'], input=text, capture_output=True, encoding='utf-8')
        if done.returncode:
            raise ValueError(f'dot failed: {done.stderr.strip().partition(chr(10))[0]}')
        text = done.stdout
    put(path, text)
